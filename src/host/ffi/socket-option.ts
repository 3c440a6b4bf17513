import * as libc from "./libc.ts";
import { NativeMemory } from "./native-memory.ts";

const memory = new NativeMemory(4);

/** setsockopt(2) of an int; its return value, 0 or -1 with errno set. */
export function setInt(fd: number, level: number, option: number, value: number): number {
  memory.view.setInt32(0, value, true);
  return libc.setsockopt(fd, level, option, memory.address, 4);
}
