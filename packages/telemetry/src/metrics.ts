import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Outcome } from '@stox/kernel'
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { DurationHistogram, type DurationSeries } from './duration-histogram.ts'

export type MessageDirection = 'xmpp-to-sip' | 'sip-to-xmpp'

export interface StreamLabels {
  readonly direction: 'inbound' | 'outbound'
  readonly partner: string
  readonly method: string
  /** `TLSv1.3`, or `none`. */
  readonly tls: string
}

export interface SubscriptionCount {
  readonly direction: string
  readonly state: string
  readonly count: number
}

export interface PublicationCount {
  readonly state: string
  readonly count: number
}

export interface CertificateExpiry {
  readonly side: 'ours' | 'partner'
  readonly domain: string
  /** From now; less than none when it has expired. */
  readonly seconds: number
}

export interface RevocationListDue {
  /** Of the configuration. */
  readonly file: string
  /** From now; less than none when it is overdue. */
  readonly seconds: number
}

export interface SipServerState {
  /** `udp:192.0.2.1:5060`. */
  readonly server: string
  readonly up: boolean
}

/** Everything that is counted, by what happened. Label values come from fixed sets or from the list of partners. */
export interface Metrics {
  streamOpened(labels: StreamLabels): void
  streamClosed(labels: StreamLabels): void
  streamFailed(direction: StreamLabels['direction'], stage: string, reason: string): void
  messageEnded(direction: MessageDirection, outcome: Outcome['kind'], durationMs: number): void
  presencePassed(direction: MessageDirection, kind: string): void
  linkFrames(way: 'sent' | 'received', kind: string, count?: number): void
  linkRoundTrip(durationMs: number): void
  sipTransactionEnded(role: 'client' | 'server', method: string, ending: number | 'timeout' | 'transport'): void
  inputRefused(kind: string): void
  /** Read when somebody asks. The same queue or peer again replaces its reader; undefined takes it off. */
  watchQueue(queue: string, read: (() => number) | undefined): void
  watchLinkCredit(peer: string, read: (() => number) | undefined): void
  watchSubscriptions(read: () => Iterable<SubscriptionCount>): void
  watchPublications(read: () => Iterable<PublicationCount>): void
  /** How many sessions of SIP users and XMPP users live. */
  watchSipSessions(read: () => number): void
  watchCertificates(read: () => Iterable<CertificateExpiry>): void
  watchRevocationLists(read: () => Iterable<RevocationListDue>): void
  /** The SIP servers of the routes, as the last probes found them. */
  watchSipServers(read: () => Iterable<SipServerState>): void
  /** A count kept elsewhere: rows of the journal that were dropped since the start. */
  watchJournalDropped(read: () => number): void
  /** In the Prometheus text format. */
  text(): Promise<string>
  readonly contentType: string
  close(): void
}

const SIP_METHODS = new Set([
  'ACK',
  'BYE',
  'CANCEL',
  'INFO',
  'INVITE',
  'MESSAGE',
  'NOTIFY',
  'OPTIONS',
  'PRACK',
  'PUBLISH',
  'REFER',
  'REGISTER',
  'SUBSCRIBE',
  'UPDATE',
])

/** From below a millisecond inside one machine to Timer F. @see RFC 3261 §17.1.2.2 */
const MESSAGE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 32, 64]
const LINK_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5]

export function createMetrics(options: { readonly node: string }): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ node: options.node })
  const registers = [registry]
  const loopDelay = monitorEventLoopDelay({ resolution: 10 })
  loopDelay.enable()
  collectDefaultMetrics({ register: registry })

  const streams = new Gauge({
    name: 'stox_streams',
    help: 'XMPP streams that are established now',
    labelNames: ['direction', 'partner', 'method', 'tls'],
    registers,
  })
  const streamsOpened = new Counter({
    name: 'stox_streams_established_total',
    help: 'XMPP streams that were established',
    labelNames: ['direction', 'partner', 'method', 'tls'],
    registers,
  })
  const streamFailures = new Counter({
    name: 'stox_stream_failures_total',
    help: 'XMPP streams that could not be had or ended badly, by stage and reason (docs/failures.md)',
    labelNames: ['direction', 'stage', 'reason'],
    registers,
  })
  const messageSeconds = new DurationHistogram({
    name: 'stox_message_duration_seconds',
    help: 'Time from accepting a message to its outcome',
    bounds: MESSAGE_SECONDS,
  })
  const endingsOf = (direction: MessageDirection): Readonly<Record<Outcome['kind'], DurationSeries>> => {
    const series = (outcome: Outcome['kind']) => messageSeconds.series({ node: options.node, direction, outcome })
    return { delivered: series('delivered'), bounced: series('bounced'), absorbed: series('absorbed') }
  }
  const messages = { 'xmpp-to-sip': endingsOf('xmpp-to-sip'), 'sip-to-xmpp': endingsOf('sip-to-xmpp') } as const
  const presence = new Counter({
    name: 'stox_presence_total',
    help: 'Presence passed on, by kind',
    labelNames: ['direction', 'kind'],
    registers,
  })
  const frames = new Counter({
    name: 'stox_link_frames_total',
    help: 'Frames on the link between edge and gateway',
    labelNames: ['way', 'kind'],
    registers,
  })
  const roundTrip = new Histogram({
    name: 'stox_link_round_trip_seconds',
    help: 'Time from a frame on the link to its answer',
    buckets: LINK_SECONDS,
    registers,
  })
  /** SIP transactions that ended since the counter was read, which looks its labels up each time. */
  const ended = new Map<string, { readonly labels: Readonly<Record<string, string>>; count: number }>()
  const refused = new Counter({
    name: 'stox_refused_inputs_total',
    help: 'Inputs from outside that were refused, by kind',
    labelNames: ['kind'],
    registers,
  })

  const queues = new Map<string, () => number>()
  const credits = new Map<string, () => number>()
  let subscriptions: () => Iterable<SubscriptionCount> = noSubscriptions
  let sipSessions: () => number = () => 0
  let publications: () => Iterable<PublicationCount> = noPublications
  let journalDropped = nothingDropped
  let sipServers: () => Iterable<SipServerState> = noSipServers
  let certificates: () => Iterable<CertificateExpiry> = noCertificates
  let revocationLists: () => Iterable<RevocationListDue> = noRevocationLists
  const loopDelaySeconds = {
    name: 'stox_event_loop_delay_seconds',
    help: 'Delay of the event loop since the last reading, beyond the 10 ms between samples',
    labelNames: ['quantile'],
  }
  // Gauges and counters that collect themselves; the registry keeps them.
  void [
    new Counter({
      name: 'stox_sip_transactions_total',
      help: 'SIP transactions by method and class of the final response, or how they failed',
      labelNames: ['role', 'method', 'class'],
      registers,
      collect() {
        for (const { labels, count } of ended.values()) this.inc(labels, count)
        ended.clear()
      },
    }),
    new Counter({
      name: 'stox_messages_total',
      help: 'Messages by the way they ended',
      labelNames: ['direction', 'outcome'],
      registers,
      collect() {
        this.reset()
        for (const [direction, endings] of Object.entries(messages)) {
          for (const [outcome, { count }] of Object.entries(endings)) {
            if (count > 0) this.inc({ direction, outcome }, count)
          }
        }
      },
    }),
    new Gauge({
      name: 'stox_queue_depth',
      help: 'Entries waiting in a bounded queue',
      labelNames: ['queue'],
      registers,
      collect() {
        this.reset()
        for (const [queue, read] of queues) this.set({ queue }, read())
      },
    }),
    new Gauge({
      name: 'stox_link_credit',
      help: 'Frames that may still be sent to a peer before it answers',
      labelNames: ['peer'],
      registers,
      collect() {
        this.reset()
        for (const [peer, read] of credits) this.set({ peer }, read())
      },
    }),
    new Gauge({
      name: 'stox_subscriptions',
      help: 'Presence subscriptions by state',
      labelNames: ['direction', 'state'],
      registers,
      collect() {
        this.reset()
        for (const { direction, state, count } of subscriptions()) this.set({ direction, state }, count)
      },
    }),
    new Gauge({
      name: 'stox_publications',
      help: 'Presence publications at SIP servers by state',
      labelNames: ['state'],
      registers,
      collect() {
        this.reset()
        for (const { state, count } of publications()) this.set({ state }, count)
      },
    }),
    new Gauge({
      name: 'stox_sip_sessions',
      help: 'Sessions of SIP users and XMPP users, opened by INVITE',
      registers,
      collect() {
        this.set(sipSessions())
      },
    }),
    new Gauge({
      name: 'stox_certificate_expiry_seconds',
      help: 'Time until a certificate expires: those of the served domains, and those that partners show on their streams',
      labelNames: ['side', 'domain'],
      registers,
      collect() {
        this.reset()
        for (const { side, domain, seconds } of certificates()) this.set({ side, domain }, seconds)
      },
    }),
    new Gauge({
      name: 'stox_revocation_list_due_seconds',
      help: 'Time until the authority is to have issued the list that follows the one in this file; less than none: overdue',
      labelNames: ['file'],
      registers,
      collect() {
        this.reset()
        for (const { file, seconds } of revocationLists()) this.set({ file }, seconds)
      },
    }),
    new Gauge({
      name: 'stox_sip_server_up',
      help: 'Whether a SIP server of the routes answers our OPTIONS: 1, or 0',
      labelNames: ['server'],
      registers,
      collect() {
        this.reset()
        for (const { server, up } of sipServers()) this.set({ server }, up ? 1 : 0)
      },
    }),
    new Counter({
      name: 'stox_journal_dropped_total',
      help: 'Rows of the message journal that were dropped because too many waited for the disk',
      registers,
      collect() {
        this.reset()
        this.inc(journalDropped())
      },
    }),
    new Gauge({
      ...loopDelaySeconds,
      registers,
      collect() {
        for (const [quantile, percent] of [
          ['0.5', 50],
          ['0.99', 99],
          ['1', 100],
        ] as const) {
          const beyondNs = loopDelay.percentile(percent) - 10e6
          this.set({ quantile }, Math.max(0, beyondNs) / 1e9)
        }
        loopDelay.reset()
      },
    }),
  ]

  return {
    streamOpened(labels) {
      streams.inc({ ...labels })
      streamsOpened.inc({ ...labels })
    },
    streamClosed: (labels) => streams.dec({ ...labels }),
    streamFailed: (direction, stage, reason) => streamFailures.inc({ direction, stage, reason }),
    messageEnded: (direction, outcome, durationMs) => messages[direction][outcome].observe(durationMs / 1000),
    presencePassed: (direction, kind) => presence.inc({ direction, kind }),
    linkFrames: (way, kind, count = 1) => frames.inc({ way, kind }, count),
    linkRoundTrip: (durationMs) => roundTrip.observe(durationMs / 1000),
    sipTransactionEnded(role, method, ending) {
      const of = typeof ending === 'number' ? `${Math.floor(ending / 100)}xx` : ending
      const known = SIP_METHODS.has(method) ? method : 'other'
      const key = `${role} ${known} ${of}`
      const since = ended.get(key)
      if (since === undefined) ended.set(key, { labels: { role, method: known, class: of }, count: 1 })
      else since.count += 1
    },
    inputRefused: (kind) => refused.inc({ kind }),
    watchQueue: (queue, read) => watch(queues, queue, read),
    watchLinkCredit: (peer, read) => watch(credits, peer, read),
    watchSubscriptions: (read) => void (subscriptions = read),
    watchPublications: (read) => void (publications = read),
    watchSipSessions: (read) => void (sipSessions = read),
    watchSipServers: (read) => void (sipServers = read),
    watchCertificates: (read) => void (certificates = read),
    watchRevocationLists: (read) => void (revocationLists = read),
    watchJournalDropped: (read) => void (journalDropped = read),
    text: async () => (await registry.metrics()) + messageSeconds.text(),
    contentType: registry.contentType,
    close() {
      loopDelay.disable()
      registry.clear()
    },
  }
}

const noSubscriptions = (): readonly SubscriptionCount[] => []
const noPublications = (): readonly PublicationCount[] => []
const noSipServers = (): readonly SipServerState[] => []
const noRevocationLists = (): readonly RevocationListDue[] => []
const noCertificates = (): readonly CertificateExpiry[] => []
const nothingDropped = (): number => 0

function watch(readers: Map<string, () => number>, name: string, read: (() => number) | undefined): void {
  if (read === undefined) readers.delete(name)
  else readers.set(name, read)
}
