// What the benchmark takes from TypeScript; `npm run bench` compiles it.
export { Crowd } from "./crowd.ts";
export { policyChanges } from "./policy-changes.ts";
export { ServedCoordinator } from "./served-coordinator.ts";
