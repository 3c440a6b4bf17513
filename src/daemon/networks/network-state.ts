import { join } from "node:path";
import { z } from "zod";
import { MAX_ADVERTISED_ROUTES, MAX_SSH_PORTS } from "../../api/bounds.ts";
import { exitNodesSchema } from "../../api/exit-node.ts";
import { listenSchema } from "../../api/listening-config.ts";
import { logLevelsSchema } from "../../api/log-levels.ts";
import { networkInfoSchema, selfInfoSchema } from "../../api/network-map.ts";
import { peerPreferenceSchema, transportOrderSchema } from "../../api/path-preference.ts";
import { filterSettingsSchema, groupNameSchema } from "../../api/peer-config.ts";
import {
  cidrSchema,
  instantSchema,
  key32Schema,
  nameSchema,
  portSchema,
  sha256HexSchema,
} from "../../api/primitives.ts";
import { sshJumpSchema } from "../../api/ssh-jump.ts";
import { PEER_SUBSYSTEMS } from "../../base/log-levels.ts";
import { TRANSPORT_NAMES } from "../../base/transports.ts";
import { DEFAULT_FWMARK, MAX_FWMARK } from "../../host/underlay/firewall-mark.ts";
import { localFilterSchema } from "../filter/local-rules.ts";
import { StateFile } from "./state-file.ts";

/** Whom we believe to be the coordinator. */
export const coordinatorTrustSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("pinned-ca"), caPem: z.string(), fingerprint: sha256HexSchema }),
  z.strictObject({ kind: z.literal("system") }),
]);

/** What the registration left: which coordinator, how to recognise it, and who we are in its network. */
export const enrolmentSchema = z.strictObject({
  version: z.literal(1),
  urls: z.array(z.url()).min(1),
  trust: coordinatorTrustSchema,
  network: networkInfoSchema,
  self: selfInfoSchema,
  registeredAt: instantSchema,
});
export type Enrolment = z.output<typeof enrolmentSchema>;

/** How the daemon runs. */
const settingFields = {
  interface: z.string().min(1).max(15),
  /** 0 for any free port. */
  listenPort: z.number().int().min(0).max(65535),
  mtu: z.number().int().min(576).max(65475),
  /** TCP ports of our SSH server; none: we only dial. */
  sshPorts: z.array(portSchema).max(MAX_SSH_PORTS),
  sshJump: sshJumpSchema.nullable(),
  /** Of everything that is sent to the underlay; 0 for none. */
  fwmark: z.number().int().min(0).max(MAX_FWMARK),
  /** What may be used at all, best first. */
  transports: transportOrderSchema,
  /** What the configuration file asked for, by peer name. */
  peerPreferences: z.record(nameSchema, peerPreferenceSchema),
  filter: filterSettingsSchema,
  /** This machine offers to be an exit. */
  allowExitTraffic: z.boolean(),
  /** Networks behind this machine, to which it offers to carry others' traffic. */
  advertiseRoutes: z.array(cidrSchema).max(MAX_ADVERTISED_ROUTES),
  /** What goes there bears this machine's address, not the peer's in the mesh. */
  snatRoutes: z.boolean(),
  /** Networks behind other peers are reached through them. */
  acceptRoutes: z.boolean(),
  /** The exits that this machine sends by, in order; none: no exit. */
  exitNodes: exitNodesSchema,
  /** With an exit, the local network stays within reach. */
  exitAllowLan: z.boolean(),
  /** This machine has a name server for the mesh. */
  dns: z.boolean(),
  /** The group of this host whose members may ask the daemon for more than everybody; null for none. */
  localGroup: groupNameSchema.nullable(),
  /** Where metrics are served; none: nowhere. */
  metricsListen: z.array(listenSchema).max(8),
  /** From which level on the log has what a subsystem says. */
  logLevels: logLevelsSchema(PEER_SUBSYSTEMS),
};
const someSettingsSchema = z.strictObject(settingFields).partial();
/** Of these each network of a host needs its own. */
const chosenSettingsSchema = someSettingsSchema.pick({ interface: true, listenPort: true, sshPorts: true });
export type ChosenSettings = z.output<typeof chosenSettingsSchema>;
export type SomeSettings = z.output<typeof someSettingsSchema>;
export type SettingName = keyof typeof settingFields;
export const SETTING_NAMES = Object.keys(settingFields) as SettingName[];

export const DEFAULT_SETTINGS: Settings = {
  version: 1,
  interface: "mesh0",
  listenPort: 51820,
  mtu: 1420,
  sshPorts: [2222],
  sshJump: null,
  fwmark: DEFAULT_FWMARK,
  transports: [...TRANSPORT_NAMES],
  peerPreferences: {},
  filter: { defaults: {}, rules: [] },
  allowExitTraffic: false,
  advertiseRoutes: [],
  snatRoutes: true,
  acceptRoutes: false,
  exitNodes: [],
  exitAllowLan: false,
  dns: true,
  localGroup: null,
  metricsListen: [],
  logLevels: {},
};

const settingsSchema = z.strictObject({ version: z.literal(1), ...settingFields });
export type Settings = z.output<typeof settingsSchema>;

/** In one file, so that they always fit each other. A setting that a former version did not have is as by default. */
const storedSettingsSchema = settingsSchema.extend({
  sshPorts: settingFields.sshPorts.default(DEFAULT_SETTINGS.sshPorts),
  sshJump: settingFields.sshJump.default(DEFAULT_SETTINGS.sshJump),
  fwmark: settingFields.fwmark.default(DEFAULT_SETTINGS.fwmark),
  transports: settingFields.transports.default(DEFAULT_SETTINGS.transports),
  peerPreferences: settingFields.peerPreferences.default(DEFAULT_SETTINGS.peerPreferences),
  filter: settingFields.filter.default(DEFAULT_SETTINGS.filter),
  allowExitTraffic: settingFields.allowExitTraffic.default(DEFAULT_SETTINGS.allowExitTraffic),
  advertiseRoutes: settingFields.advertiseRoutes.default(DEFAULT_SETTINGS.advertiseRoutes),
  snatRoutes: settingFields.snatRoutes.default(DEFAULT_SETTINGS.snatRoutes),
  acceptRoutes: settingFields.acceptRoutes.default(DEFAULT_SETTINGS.acceptRoutes),
  exitNodes: settingFields.exitNodes.default(DEFAULT_SETTINGS.exitNodes),
  exitAllowLan: settingFields.exitAllowLan.default(DEFAULT_SETTINGS.exitAllowLan),
  dns: settingFields.dns.default(DEFAULT_SETTINGS.dns),
  localGroup: settingFields.localGroup.default(DEFAULT_SETTINGS.localGroup),
  metricsListen: settingFields.metricsListen.default(DEFAULT_SETTINGS.metricsListen),
  logLevels: settingFields.logLevels.default(DEFAULT_SETTINGS.logLevels),
  /** What flags and configuration file asked for last: what differs from it, `mesh set` and its like asked for. */
  given: someSettingsSchema.optional(),
  /** What this network has by default in place of what all have, where something else of this host has that. */
  chosen: chosenSettingsSchema.optional(),
});
export type StoredSettings = z.output<typeof storedSettingsSchema>;

const intentSchema = z.strictObject({ version: z.literal(1), intent: z.enum(["up", "down"]) });

/** What `mesh prefer` asked for, by peer name. */
const preferencesSchema = z.strictObject({
  version: z.literal(1),
  peers: z.record(nameSchema, peerPreferenceSchema),
  /** The public keys that these peers had last. */
  keys: z.record(nameSchema, key32Schema).default({}),
});

/** An exit that nobody has confirmed yet, and what was before. */
const exitTrialSchema = z.strictObject({
  version: z.literal(1),
  until: instantSchema,
  /** What is on trial: where other exits are set, a command has ended it, and was killed before it could say so here. */
  of: z.array(exitNodesSchema).optional(),
  before: settingsSchema.pick({ exitNodes: true, exitAllowLan: true }),
});
export type ExitTrial = z.output<typeof exitTrialSchema>;

/** The state files of one network, apart from keys, map and pins. */
export class NetworkState {
  readonly enrolment: StateFile<typeof enrolmentSchema>;
  readonly settings: StateFile<typeof storedSettingsSchema>;
  readonly intent: StateFile<typeof intentSchema>;
  readonly preferences: StateFile<typeof preferencesSchema>;
  readonly filter: StateFile<typeof localFilterSchema>;
  readonly exitTrial: StateFile<typeof exitTrialSchema>;

  constructor(directory: string) {
    this.enrolment = new StateFile(join(directory, "enrolment.json"), enrolmentSchema);
    this.settings = new StateFile(join(directory, "settings.json"), storedSettingsSchema);
    this.intent = new StateFile(join(directory, "intent.json"), intentSchema);
    this.preferences = new StateFile(join(directory, "preferences.json"), preferencesSchema);
    this.filter = new StateFile(join(directory, "filter.json"), localFilterSchema);
    this.exitTrial = new StateFile(join(directory, "exit-trial.json"), exitTrialSchema);
  }
}
