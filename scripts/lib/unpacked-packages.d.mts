// Types of unpacked-packages.mjs, which stays plain JavaScript because the scripts run before anything is installed.
export function unpackedPackage(name: string): string;
export function ensureUnpacked(): Promise<void>;
