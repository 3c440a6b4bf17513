import type { HostChangeView, HostView } from "../api/local-host.ts";
import { describeChange, type OwnedChange, outlivesDaemon } from "../host/changes/host-change.ts";

export function hostView(changes: readonly OwnedChange[]): HostView {
  return { changes: changes.map(changeView) };
}

export function changeView({ owner, change }: OwnedChange): HostChangeView {
  return { owner, kind: change.kind, what: describeChange(change), outlivesDaemon: outlivesDaemon(owner) };
}
