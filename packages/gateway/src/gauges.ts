import type { Outcome } from '@stox/kernel'
import type { Store } from '@stox/store'
import type { Metrics } from '@stox/telemetry'
import type { LinkClientPort, SipEndpoint } from '@stox/transport'
import type { ChatSessions } from './chat-sessions.ts'
import type { PresenceKeeper } from './keep-presence.ts'
import type { PairQueues } from './pair-queues.ts'
import type { ServerProbes } from './probe-servers.ts'
import type { PresencePublisher } from './publish-presence.ts'

/** What is read when the metrics are: how much waits, and how much there is. */
export function watchGauges(
  metrics: Metrics,
  parts: {
    readonly queues: PairQueues<Outcome>
    readonly keeper: PresenceKeeper
    readonly publisher: PresencePublisher
    readonly sessions: ChatSessions
    readonly link: LinkClientPort
    readonly endpoint: SipEndpoint
    readonly store: Pick<Store, 'journal'>
    readonly probes: ServerProbes
  },
): void {
  const { queues, keeper, publisher, sessions, link, endpoint, store, probes } = parts
  metrics.watchQueue('messages-to-sip', () => queues.waiting)
  metrics.watchQueue('link-waiting', () => link.gauges().waiting)
  metrics.watchQueue('link-open-sent', () => link.gauges().openSent)
  metrics.watchQueue('link-open-taken', () => link.gauges().openTaken)
  metrics.watchQueue('sip-unanswered', () => endpoint.counts().unanswered)
  metrics.watchQueue('sip-client-transactions', () => endpoint.counts().clientTransactions)
  metrics.watchQueue('journal', () => store.journal.waiting)
  metrics.watchJournalDropped(() => store.journal.dropped)
  metrics.watchLinkCredit('edges', () => link.gauges().creditStanzas)
  metrics.watchSubscriptions(() => keeper.counts())
  metrics.watchPublications(() => publisher.counts())
  metrics.watchSipSessions(() => sessions.size)
  metrics.watchSipServers(() => probes.reports())
}
