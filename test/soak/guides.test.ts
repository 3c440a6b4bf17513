import { followGuides } from "../support/guides/follow-guides.ts";
import { GUIDES } from "../support/guides/guides.ts";

followGuides(GUIDES);
