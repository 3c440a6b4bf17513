import { loggerOf } from "../../base/logger.ts";
import type { PipeTransportName } from "../../base/transports.ts";
import type { PipeLink, PipeLinkContext } from "./pipe-link.ts";
import { RelayLinks } from "./relay-links.ts";
import { SshLink } from "./ssh-link.ts";

/** How each pipe of the list of transports is opened. */
const OPENERS = {
  ssh: (context: PipeLinkContext) => SshLink.open(context),
  relay: (context: PipeLinkContext) => RelayLinks.open(context),
} satisfies Record<PipeTransportName, (context: PipeLinkContext) => PipeLink | Promise<PipeLink>>;

/** Those that are in use. */
export type PipeLinks = { readonly [Name in PipeTransportName]?: Awaited<ReturnType<(typeof OPENERS)[Name]>> };

/** Opens all that `isUsed` names; what a half opening acquired is given back. */
export async function openPipeLinks(
  isUsed: (transport: PipeTransportName) => boolean,
  context: PipeLinkContext,
): Promise<PipeLinks> {
  const links: Partial<Record<PipeTransportName, PipeLink>> = {};
  try {
    for (const name of Object.keys(OPENERS) as PipeTransportName[]) {
      if (isUsed(name)) links[name] = await OPENERS[name]({ ...context, logger: loggerOf(name, context.logger) });
    }
    return links as PipeLinks;
  } catch (failure) {
    await Promise.all(Object.values(links).map((link) => link[Symbol.asyncDispose]()));
    throw failure;
  }
}
