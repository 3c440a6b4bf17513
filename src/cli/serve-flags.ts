/** Flags of `mesh serve`, as commander hands them over. */
export interface ServeFlags {
  readonly config?: string;
  readonly listen?: string[];
  readonly stunListen?: string[];
  readonly publicUrl?: string[];
  readonly name?: string;
  readonly domain?: string;
  readonly networkCidr?: string;
  readonly networkCidr6?: string;
  readonly tls?: string;
  readonly relay?: string;
}
