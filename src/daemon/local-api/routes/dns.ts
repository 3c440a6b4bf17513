import { dnsQueryRequestSchema } from "../../../api/local-dns.ts";
import { answers, type Routes, takes } from "../route.ts";

/** The name server. */
export const dnsRoutes: Routes = {
  "GET /v1/dns": answers("everybody", (target) => target.dns.status()),
  "POST /v1/dns/query": takes("group", dnsQueryRequestSchema, (target, request) => target.dns.query(request)),
};
