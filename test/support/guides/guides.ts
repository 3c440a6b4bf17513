/** In the order in which the test follows them: the later ones go on with the network of the first. */
export const GUIDES = [
  "getting-started",
  "invitations-and-cidrs",
  "filter-recipes",
  "exit-nodes",
  "strict-firewalls",
  "running-the-coordinator",
  "several-networks",
  "troubleshooting",
  "security-model",
] as const;
