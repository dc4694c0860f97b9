/** Names and values of a series' labels. Only what all sites have in common may be one: never a site's name. */
export type Labels = Readonly<Record<string, string>>;

/** What a metric is and how it is written. */
export interface Metric {
  /** Its text in the Prometheus exposition format 0.0.4. */
  render(): string;
}

/**
 * Metrics of one process and their text for Prometheus (exposition format 0.0.4). Own code rather than prom-client: it
 * has three kinds of series to write, and what can appear on the page is decided by these few lines alone, which is
 * what the promise about private numbers rests on.
 */
export class MetricRegistry {
  readonly #metrics: Metric[] = [];
  readonly #names = new Set<string>();

  /** A number that only grows. */
  counter(name: string, help: string): Series {
    return this.#add(name, new Series(name, help, "counter"));
  }

  /** A number that goes up and down. */
  gauge(name: string, help: string): Series {
    return this.#add(name, new Series(name, help, "gauge"));
  }

  /** How often values fell below each bound. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    return this.#add(name, new Histogram(name, help, bounds));
  }

  /** The whole page. */
  render(): string {
    return this.#metrics.map((metric) => metric.render()).join("");
  }

  #add<T extends Metric>(name: string, metric: T): T {
    if (this.#names.has(name)) throw new TypeError(`the metric ${name} exists already`);
    this.#names.add(name);
    this.#metrics.push(metric);
    return metric;
  }
}

/** A counter or gauge: one value for each set of labels. */
export class Series implements Metric {
  readonly #values = new Map<string, number>();

  /**
   * @param name name of the metric
   * @param help one sentence for the reader of the page
   * @param type its kind
   */
  constructor(readonly name: string, readonly help: string, readonly type: "counter" | "gauge") {}

  /** Adds to the value; a counter takes nothing negative. */
  add(amount = 1, labels: Labels = {}): void {
    if (!Number.isFinite(amount) || (this.type === "counter" && amount < 0)) return;
    const key = labelText(labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
  }

  /** Replaces the value. */
  set(value: number, labels: Labels = {}): void {
    this.#values.set(labelText(labels), value);
  }

  /** Forgets all values. */
  clear(): void {
    this.#values.clear();
  }

  /** See {@link Metric}. */
  render(): string {
    const lines = [...this.#values].map(([labels, value]) => `${this.name}${labels} ${value}\n`);
    return header(this.name, this.help, this.type) + lines.join("");
  }
}

/** A histogram with fixed bounds: cumulative counts, sum and number for each set of labels. */
export class Histogram implements Metric {
  readonly #series = new Map<string, { labels: Labels; counts: number[]; sum: number; count: number }>();

  /**
   * @param name name of the metric
   * @param help one sentence for the reader of the page
   * @param bounds upper bounds, rising
   */
  constructor(readonly name: string, readonly help: string, readonly bounds: readonly number[]) {}

  /** Counts a value. */
  observe(value: number, labels: Labels = {}): void {
    if (!Number.isFinite(value)) return;
    const key = labelText(labels);
    const series = this.#series.get(key) ??
      { labels, counts: new Array<number>(this.bounds.length).fill(0), sum: 0, count: 0 };
    this.#series.set(key, series);
    this.bounds.forEach((bound, i) => {
      if (value <= bound) series.counts[i]++;
    });
    series.sum += value;
    series.count++;
  }

  /** See {@link Metric}. */
  render(): string {
    const { name } = this;
    const text = [...this.#series.values()].map(({ labels, counts, sum, count }) => {
      const bucket = (le: string, n: number) => `${name}_bucket${labelText({ ...labels, le })} ${n}\n`;
      const buckets = this.bounds.map((bound, i) => bucket(String(bound), counts[i])).join("");
      const own = labelText(labels);
      return `${buckets}${bucket("+Inf", count)}${name}_sum${own} ${sum}\n${name}_count${own} ${count}\n`;
    });
    return header(name, this.help, "histogram") + text.join("");
  }
}

function header(name: string, help: string, type: string): string {
  return `# HELP ${name} ${help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}\n# TYPE ${name} ${type}\n`;
}

function labelText(labels: Labels): string {
  const entries = Object.entries(labels);
  if (entries.length === 0) return "";
  const escape = (value: string) => value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
  return `{${entries.map(([name, value]) => `${name}="${escape(value)}"`).join(",")}}`;
}
