import { createMetrics, type Metrics } from '../src/metrics.ts'

let metrics: Metrics
beforeEach(() => (metrics = createMetrics({ node: 'edge-1' })))
afterEach(() => metrics.close())

/** The sample lines of one metric, without the node label. */
const samples = async (name: string): Promise<string[]> =>
  (await metrics.text())
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`))
    .map((line) => line.replace(/,?node="edge-1"/, ''))

const stream = {
  direction: 'inbound',
  partner: 'montague.example',
  method: 'dialback-over-tls',
  tls: 'TLSv1.3',
} as const
const labels = 'direction="inbound",partner="montague.example",method="dialback-over-tls",tls="TLSv1.3"'

test.each<[string, (m: Metrics) => void, string, string[]]>([
  [
    'streams now',
    (m) => (m.streamOpened(stream), m.streamOpened(stream), m.streamClosed(stream)),
    'stox_streams',
    [`stox_streams{${labels}} 1`],
  ],
  [
    'streams ever',
    (m) => (m.streamOpened(stream), m.streamClosed(stream)),
    'stox_streams_established_total',
    [`stox_streams_established_total{${labels}} 1`],
  ],
  [
    'stream failures',
    (m) => m.streamFailed('outbound', 'dns', 'service-refused'),
    'stox_stream_failures_total',
    ['stox_stream_failures_total{direction="outbound",stage="dns",reason="service-refused"} 1'],
  ],
  [
    'messages',
    (m) => m.messageEnded('xmpp-to-sip', 'bounced', 7),
    'stox_messages_total',
    ['stox_messages_total{direction="xmpp-to-sip",outcome="bounced"} 1'],
  ],
  [
    'presence',
    (m) => m.presencePassed('sip-to-xmpp', 'available'),
    'stox_presence_total',
    ['stox_presence_total{direction="sip-to-xmpp",kind="available"} 1'],
  ],
  [
    'certificates',
    (m) => m.watchCertificates(() => [{ side: 'partner', domain: 'montague.example', seconds: -5 }]),
    'stox_certificate_expiry_seconds',
    ['stox_certificate_expiry_seconds{side="partner",domain="montague.example"} -5'],
  ],
  [
    'lists of what is revoked',
    (m) => m.watchRevocationLists(() => [{ file: '/etc/stox/ca.crl', seconds: 60 }]),
    'stox_revocation_list_due_seconds',
    ['stox_revocation_list_due_seconds{file="/etc/stox/ca.crl"} 60'],
  ],
  [
    'link frames',
    (m) => m.linkFrames('sent', 'stanza', 3),
    'stox_link_frames_total',
    ['stox_link_frames_total{way="sent",kind="stanza"} 3'],
  ],
  [
    'SIP transactions',
    (m) => m.sipTransactionEnded('client', 'MESSAGE', 404),
    'stox_sip_transactions_total',
    ['stox_sip_transactions_total{role="client",method="MESSAGE",class="4xx"} 1'],
  ],
  [
    'a method a stranger made up',
    (m) => m.sipTransactionEnded('server', 'X1', 'timeout'),
    'stox_sip_transactions_total',
    ['stox_sip_transactions_total{role="server",method="other",class="timeout"} 1'],
  ],
  [
    'refused inputs',
    (m) => m.inputRefused('not-well-formed'),
    'stox_refused_inputs_total',
    ['stox_refused_inputs_total{kind="not-well-formed"} 1'],
  ],
  ['queues', (m) => m.watchQueue('journal', () => 5), 'stox_queue_depth', ['stox_queue_depth{queue="journal"} 5']],
  [
    'a queue taken off',
    (m) => (m.watchQueue('journal', () => 5), m.watchQueue('journal', undefined)),
    'stox_queue_depth',
    [],
  ],
  [
    'link credit',
    (m) => m.watchLinkCredit('gateway-1', () => 64),
    'stox_link_credit',
    ['stox_link_credit{peer="gateway-1"} 64'],
  ],
  [
    'subscriptions',
    (m) => m.watchSubscriptions(() => [{ direction: 'xmpp-watches-sip', state: 'active', count: 2 }]),
    'stox_subscriptions',
    ['stox_subscriptions{direction="xmpp-watches-sip",state="active"} 2'],
  ],
  [
    'publications',
    (m) => m.watchPublications(() => [{ state: 'published', count: 3 }]),
    'stox_publications',
    ['stox_publications{state="published"} 3'],
  ],
  ['sessions of SIP users', (m) => m.watchSipSessions(() => 4), 'stox_sip_sessions', ['stox_sip_sessions{} 4']],
  [
    'dropped journal rows',
    (m) => m.watchJournalDropped(() => 9),
    'stox_journal_dropped_total',
    ['stox_journal_dropped_total{} 9'],
  ],
])('%s', async (_what, happen, name, expected) => {
  happen(metrics)
  expect(await samples(name)).toEqual(expected)
})

test('what collects itself says the same when asked twice', async () => {
  metrics.watchJournalDropped(() => 4)
  await metrics.text()
  expect(await samples('stox_journal_dropped_total')).toEqual(['stox_journal_dropped_total{} 4'])
})

test('latency falls into its bucket', async () => {
  metrics.messageEnded('sip-to-xmpp', 'delivered', 30)
  const text = await metrics.text()
  expect(text).toMatch(/stox_message_duration_seconds_bucket\{le="0.025",[^}]*\} 0/)
  expect(text).toMatch(/stox_message_duration_seconds_bucket\{le="0.05",[^}]*\} 1/)
})

test('the delay of the event loop is measured', async () => {
  await new Promise((resolve) => setTimeout(resolve, 30))
  const until = performance.now() + 120
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 30))
  const worst = (await samples('stox_event_loop_delay_seconds')).find((line) => line.includes('quantile="1"'))
  expect(Number(worst?.split(' ')[1])).toBeGreaterThan(0.05)
})
