import { until } from './heard.ts'
import type { Pair } from './pair.ts'

/** A stream as the administrator sees it. */
export interface Session {
  readonly id: string
  readonly direction: 'inbound' | 'outbound'
  readonly localDomain: string
  readonly remoteDomain: string
  readonly state: string
  readonly method: string | null
  readonly tls: string | null
  readonly streamManagement: boolean
  readonly bidirectional: boolean
  readonly since: string
  readonly reason: string | null
  readonly failure: {
    readonly stage: string
    readonly cause: string
    readonly detail: string
    readonly times: number
  } | null
  readonly stanzasIn: number
  readonly stanzasOut: number
  readonly ownCertificate: ShownCertificate | null
  readonly peerCertificate: ShownCertificate | null
}

export interface ShownCertificate {
  readonly names: readonly string[]
  readonly issuer: string
  readonly sha256: string
}

export async function sessionsOf(
  pair: Pair,
  query: Readonly<Record<string, string>> = {},
): Promise<readonly Session[]> {
  const { json } = await pair.rest('GET', `/v1/sessions?${new URLSearchParams({ limit: '1000', ...query })}`)
  return (json as { readonly items: readonly Session[] }).items
}

/** The streams that stand between a partner's domain and one of ours. */
export async function streamsOf(pair: Pair, remoteDomain: string, local: string): Promise<readonly Session[]> {
  return (await sessionsOf(pair, { remoteDomain, state: 'established' })).filter((one) => one.localDomain === local)
}

export interface FailureWanted {
  readonly direction: Session['direction']
  /** Empty: nobody knows who it was. */
  readonly remoteDomain: string
  /** Of its sentence, its cause or its technical detail. */
  readonly reason: RegExp
}

const wordsOf = ({ reason, failure }: Session): string => `${reason} (${failure?.cause}: ${failure?.detail})`

/** Waits until the list of failed streams has such a one from after `sinceMs`. */
export async function listsFailure(
  pair: Pair,
  sinceMs: number,
  wanted: FailureWanted,
  withinMs = 10_000,
): Promise<Session> {
  let last: readonly Session[] = []
  const fits = (one: Session): boolean =>
    one.direction === wanted.direction &&
    one.remoteDomain === wanted.remoteDomain &&
    wanted.reason.test(wordsOf(one)) &&
    Date.parse(one.since) >= sinceMs
  return until(
    `a failed ${wanted.direction} stream with ${wanted.remoteDomain}, ${wanted.reason}`,
    async () => {
      last = await sessionsOf(pair, { state: 'failed' })
      return last.find(fits)
    },
    withinMs,
    200,
  ).catch((error: Error) => {
    const seen = last.map((one) => `${one.direction} ${one.remoteDomain}: ${wordsOf(one)}`)
    throw new Error(`${error.message}; listed are only\n${seen.slice(-8).join('\n')}`)
  })
}
