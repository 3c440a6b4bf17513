/** In the order in which the test follows them: the later ones go on with the network of the first. */
export const GUIDES = ["getting-started"] as const;
