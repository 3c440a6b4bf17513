/**
 * Who asks. A program of this host may know what this machine knows. Another peer sees another part of the network than we
 * do, so it learns nothing from us about names of the mesh: it has a name server of its own for these.
 */
export type Asker = "host" | "peer";
