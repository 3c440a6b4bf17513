import { Histogram } from "../../base/histogram.ts";

const BOUNDS_SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];
/** What answers to no route: strangers choose the path. */
const OTHER = "other";

/** How long requests take, by route. */
export class RequestTimings {
  readonly #byRoute = new Map<string, Histogram>();

  observe(route: string = OTHER, seconds: number): void {
    let histogram = this.#byRoute.get(route);
    if (histogram === undefined) {
      histogram = new Histogram(BOUNDS_SECONDS);
      this.#byRoute.set(route, histogram);
    }
    histogram.observe(seconds);
  }

  list(): readonly (readonly [Histogram, string])[] {
    return Array.from(this.#byRoute, ([route, histogram]) => [histogram, route]);
  }
}
