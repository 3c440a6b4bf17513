import { ownInterfaces } from "../own-interfaces.ts";

const INTERVAL_MS = 2000;

/** For hosts without netlink: compares the addresses of all interfaces now and then. Routes are not seen. */
export class InterfacePoll implements Disposable {
  readonly #timer: NodeJS.Timeout;

  /** @param ignoredInterface ours, by name */
  constructor(ignoredInterface: string, onChange: () => void, interfaces: typeof ownInterfaces = ownInterfaces) {
    const look = () => JSON.stringify(Object.entries(interfaces()).filter(([name]) => name !== ignoredInterface));
    let seen = look();
    this.#timer = setInterval(() => {
      const now = look();
      if (now === seen) return;
      seen = now;
      onChange();
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
