// Types of netns.mjs, which stays plain JavaScript because the scripts run before anything is installed.
interface LinkEnd {
  readonly namespace: string;
  readonly device: string;
  /** With prefix length, v4 or v6. */
  readonly addresses?: readonly string[];
}

export function namespaceScratch(name: string): string;
export function addNamespace(label: string): Promise<string>;
export function deleteNamespace(name: string): Promise<void>;
export function sweepNamespaces(): Promise<string[]>;
export function addVeth(left: LinkEnd, right: LinkEnd, options?: { readonly mtu?: number }): Promise<void>;
export function configureDevice(end: LinkEnd, options?: { readonly mtu?: number }): Promise<void>;
export function insideNamespace(name: string, command: string, args: readonly string[]): [string, string[]];
export function setSysctl(name: string, key: string, value: string): Promise<void>;
