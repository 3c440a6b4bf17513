export const projectRoot: string;
export const cacheDirectory: string;
export const meshEntryPoint: string;
export const oldestNode: string;
