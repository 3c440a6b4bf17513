import { followGuides } from "../support/guides/follow-guides.ts";
import { GUIDES } from "../support/guides/guides.ts";

// The guides with which everybody begins; test/soak/guides.test.ts goes on to the last one.

followGuides(GUIDES.slice(0, 1 + GUIDES.indexOf("exit-nodes")));
