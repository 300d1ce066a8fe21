/** One row of labels: observing is two additions and a look through the bounds. */
class Series {
  readonly #bounds: readonly number[]
  readonly #counts: number[]
  #count = 0
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = bounds.map(() => 0)
  }

  get count(): number {
    return this.#count
  }

  observe(seconds: number): void {
    this.#count += 1
    this.#sum += seconds
    const bucket = this.#bounds.findIndex((bound) => seconds <= bound)
    if (bucket >= 0) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
  }

  text(name: string, labels: string): string {
    let soFar = 0
    const buckets = this.#bounds.map((bound, at) => {
      soFar += this.#counts[at] ?? 0
      return `${name}_bucket{le="${bound}",${labels}} ${soFar}\n`
    })
    const rest = `${name}_bucket{le="+Inf",${labels}} ${this.#count}\n`
    return `${buckets.join('')}${rest}${name}_sum{${labels}} ${this.#sum}\n${name}_count{${labels}} ${this.#count}\n`
  }
}

export type DurationSeries = Pick<Series, 'count' | 'observe'>

/**
 * A histogram for what happens ten thousand times a second: that of the library looks its labels up each time, which
 * took a twentieth of a busy edge. Label values are names of ours, which need no escaping.
 */
export class DurationHistogram {
  readonly #name: string
  readonly #help: string
  readonly #bounds: readonly number[]
  readonly #rows: { readonly labels: string; readonly series: Series }[] = []

  constructor(options: { readonly name: string; readonly help: string; readonly bounds: readonly number[] }) {
    this.#name = options.name
    this.#help = options.help
    this.#bounds = options.bounds
  }

  /** To be kept by who observes. */
  series(labels: Readonly<Record<string, string>>): DurationSeries {
    const series = new Series(this.#bounds)
    const text = Object.entries(labels).map(([name, value]) => `${name}="${value}"`)
    this.#rows.push({ labels: text.join(','), series })
    return series
  }

  /** In the Prometheus text format; what was never observed is left out. */
  text(): string {
    const rows = this.#rows.filter(({ series }) => series.count > 0)
    const head = `# HELP ${this.#name} ${this.#help}\n# TYPE ${this.#name} histogram\n`
    return head + rows.map(({ labels, series }) => series.text(this.#name, labels)).join('')
  }
}
