import { rm } from "node:fs/promises";
import type { RelayPolicyDocument } from "../../api/relay-policy.ts";
import { MeshError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { PolicyView } from "../../relay/policy-view.ts";
import type { RelayState } from "./relay-state.ts";

/** The policy in force, and its copy on disk for a start without the coordinator. */
export class PolicyKeeper {
  readonly view = new PolicyView();
  readonly #file: RelayState["policy"];
  readonly #logger: Logger;
  #policy: RelayPolicyDocument | undefined;
  #isSaved = true;
  #saving: Promise<void> | undefined;

  private constructor(file: RelayState["policy"], logger: Logger) {
    this.#file = file;
    this.#logger = logger;
  }

  /** With what is on disk. A damaged file is set aside: the coordinator sends the policy anew. */
  static async open(file: RelayState["policy"], logger: Logger): Promise<PolicyKeeper> {
    const keeper = new PolicyKeeper(file, logger);
    try {
      keeper.#use((await file.read())?.policy);
    } catch (failure) {
      if (!(failure instanceof MeshError) || failure.code !== "state-damaged") throw failure;
      logger.warn({ aside: file.setAside() }, `the policy was set aside: ${failure.message}`);
    }
    return keeper;
  }

  get policy(): RelayPolicyDocument | undefined {
    return this.#policy;
  }

  /** In force at once; on disk soon. */
  take(policy: RelayPolicyDocument): void {
    this.#use(policy);
    this.#isSaved = false;
    this.#saving ??= this.#save().finally(() => {
      this.#saving = undefined;
    });
  }

  /** Nobody may use this relay any more, after a restart either. */
  async forget(): Promise<void> {
    this.#use(undefined);
    this.#isSaved = true;
    await this.flush();
    await rm(this.#file.path, { force: true });
  }

  /** Returns once what is known is on disk. */
  async flush(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving;
  }

  #use(policy: RelayPolicyDocument | undefined): void {
    this.#policy = policy;
    this.view.set(policy ?? { version: 0, groups: [], peers: [] });
  }

  /** One write at a time, and the last state last. */
  async #save(): Promise<void> {
    while (!this.#isSaved && this.#policy !== undefined) {
      this.#isSaved = true;
      try {
        await this.#file.write({ version: 1, policy: this.#policy });
      } catch (failure) {
        this.#logger.error({ err: failure }, "the policy cannot be kept on disk");
      }
    }
  }
}
