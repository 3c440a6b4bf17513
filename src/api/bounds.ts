/** Bounds of the contracts that help texts name as well: they stand apart, since a command line loads no contract. */

/** Networks behind one peer. */
export const MAX_ADVERTISED_ROUTES = 64;

/** On which the SSH server of a peer may listen at once. */
export const MAX_SSH_PORTS = 8;

/** How long a peer that joined with an ephemeral token may be away before it is removed. */
export const EPHEMERAL_ABSENCE_MS = 30 * 60_000;

/**
 * How long after an ephemeral peer was last in a map others hold its name, addresses and keys pinned. The coordinator gives
 * its address to nobody else for longer than that (`docs/decisions/018-ephemeral-addresses-rest.md`).
 */
export const EPHEMERAL_PIN_MS = 24 * 3_600_000;
