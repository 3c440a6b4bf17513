// Types of process.mjs, which stays plain JavaScript because the scripts run before anything is installed.
interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly show?: boolean;
  readonly timeoutMs?: number;
}

interface RunResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function run(command: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
export function mustRun(command: string, args: readonly string[], options?: RunOptions): Promise<RunResult>;
export function findCommand(command: string): string | undefined;
