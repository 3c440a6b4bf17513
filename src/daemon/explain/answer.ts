import {
  type EndFacts,
  type HalfAnswer,
  type HalfQuestion,
  halfAnswerSchema,
  halfQuestionSchema,
} from "../../api/explain.ts";
import { MAX_INQUIRY_BODY_BYTES } from "../../router/shared/inquiry.ts";

/** Words of an answer, which may be cut; names, addresses and identifiers may not. */
const WORDS: ReadonlySet<string> = new Set(["detail", "text", "endpoint"]);
const LONGEST_WORDS = 160;

/** Undefined where it is none. */
export function readQuestion(body: Uint8Array): HalfQuestion | undefined {
  try {
    return halfQuestionSchema.safeParse(JSON.parse(Buffer.from(body).toString("utf8"))).data;
  } catch {
    return undefined;
  }
}

/** What a message holds: all of it if it can, else with shorter words. */
export function writeAnswer(answer: HalfAnswer): Uint8Array {
  const checked = halfAnswerSchema.parse(answer);
  for (let longest = LONGEST_WORDS; ; longest = Math.floor(longest / 2)) {
    const body = Buffer.from(
      JSON.stringify(checked, (key, value: unknown) =>
        WORDS.has(key) && typeof value === "string" ? value.slice(0, longest) : value,
      ),
    );
    if (body.length <= MAX_INQUIRY_BODY_BYTES || longest === 0) return body;
  }
}

/** As who is no admin is told: the verdicts and their layers alone. */
export function withoutRules(facts: EndFacts): EndFacts {
  const { filter, hostFirewall, beyond } = facts;
  const state = hostFirewall.state === "drops" ? "it has a rule or policy to" : "nothing found that drops it";
  const detail = hostFirewall.state === "unreadable" ? hostFirewall.detail : state;
  return {
    ...facts,
    filter: filter && { ...filter, rule: null },
    hostFirewall: { ...hostFirewall, detail },
    // Which other exits there are is not for the one in use.
    beyond: beyond && { ...beyond, detail: "" },
  };
}
