import { fork, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { federationModelSchema, type FederationModel } from '@stox/federation'
import type { LinkTls } from '@stox/transport'
import type { PairFiles } from '../src/pair.ts'
import { e2ePath, sourceEnv } from '../src/root.ts'

/** What the parent tells its null gateway. */
export type Order =
  | { readonly kind: 'attach'; readonly node: string; readonly edges: readonly string[]; readonly tls: LinkTls }
  /** Keeps so many stanzas under way to a partner until it is told to stop. */
  | { readonly kind: 'send'; readonly localDomain: string; readonly remoteDomain: string; readonly window: number }
  | { readonly kind: 'stop' }
  | { readonly kind: 'count' }

/** All since the start. */
export interface Counts {
  /** By the clock of the null gateway itself. */
  readonly atMs: number
  readonly arrived: number
  /** Different partner domains that these came from. */
  readonly domains: number
  readonly sent: number
  readonly delivered: number
  readonly bounced: number
  readonly whyBounced: string | undefined
}

export interface Start {
  readonly order: Extract<Order, { kind: 'attach' }>
  readonly model: FederationModel
}

const ATTACHED_WITHIN_MS = 20_000

/**
 * A gateway that does nothing: it attaches to the edge by the product's own link, answers every stanza at once with
 * `delivered`, and sends stanzas of its own when told. A process by itself, so that its share of the machine is known.
 */
export class NullGateway {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** `files` as an installation has them; the model is what the edge is told. */
  static async start({ gateway, federation }: PairFiles): Promise<NullGateway> {
    const link = gateway['link'] as {
      readonly edges: readonly string[]
      readonly cert: string
      readonly key: string
      readonly ca: string
    }
    const { sip } = gateway as { readonly sip: { readonly domains: readonly unknown[] } }
    const text = (path: string): string => readFileSync(path, 'utf8')
    const start: Start = {
      order: {
        kind: 'attach',
        node: String(gateway['node']),
        edges: link.edges,
        tls: { cert: text(link.cert), key: text(link.key), ca: text(link.ca) },
      },
      model: federationModelSchema.parse({ ...federation, localDomains: sip.domains, revision: 1 }),
    }
    const child = fork(e2ePath('bench', 'null-gateway-main.ts'), {
      execArgv: ['--conditions=stox-source'],
      env: { ...process.env, ...sourceEnv() },
    })
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the null gateway ended with code ${String(code)}`)
    })
    child.send(start)
    // Its first word is that it is attached.
    await Promise.race([once(child, 'message', { signal: AbortSignal.timeout(ATTACHED_WITHIN_MS) }), ended])
    ended.catch(() => undefined)
    return new NullGateway(child)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async count(): Promise<Counts> {
    return (await this.#ask({ kind: 'count' })) as Counts
  }

  async send(localDomain: string, remoteDomain: string, window: number): Promise<void> {
    await this.#ask({ kind: 'send', localDomain, remoteDomain, window })
  }

  /** Nothing more is sent; what is under way still has its outcome. */
  async stop(): Promise<void> {
    await this.#ask({ kind: 'stop' })
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    // It holds nothing that could be lost, and ends when it has no parent to talk to.
    if (this.#child.connected) this.#child.disconnect()
    await ended
  }

  /** One question at a time. */
  async #ask(order: Order): Promise<unknown> {
    const answer = once(this.#child, 'message')
    this.#child.send(order)
    const [counts] = (await answer) as readonly unknown[]
    return counts
  }
}
