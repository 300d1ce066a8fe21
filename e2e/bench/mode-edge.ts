import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { e2ePath } from '../src/root.ts'
import { PORTS, SIP } from '../src/stage.ts'
import { edgeAlone, keysFor, LOAD, RELAY, stanzasTo, type EdgeAlone, type Keys } from './edge-alone.ts'
import { benchStreams, type StreamsSummary } from './edge-streams.ts'
import { describeFlow, FLOW_DIGITS, FLOW_SUMS, runFlow, type Flow } from './flow.ts'
import { interleave, round, summarise, type Bench, type Summary } from './measure.ts'
import { contextOf, dialProven, Firehose, PartnerSink } from './partner-streams.ts'

/** So many stanzas of the null gateway are under way. */
const WINDOW = 1024

/** One edge at its limit in each direction, and Prosody relaying the same stanzas in the same runs. */
export async function benchEdge(
  bench: Bench,
  has: { readonly edge: boolean; readonly prosody: boolean },
): Promise<Readonly<Record<string, unknown>>> {
  const { stage, say } = bench
  const keys = await keysFor(bench)
  const context = contextOf(keys.load)
  const sink = await new PartnerSink(context).listen(stage.at.partner, PORTS.s2s)
  stage.onEnd(() => sink.close())
  const alone = has.edge ? await edgeAlone(bench, keys, [LOAD]) : undefined
  const flows: readonly Flow[] = [
    ...(alone === undefined ? [] : [await intoEdge(bench, alone, context), outOfEdge(alone, sink)]),
    ...(has.prosody ? [await throughProsody(bench, keys, context, sink)] : []),
  ]
  for (const flow of flows) await runFlow(flow, bench, bench.warmUpMs)
  const contenders = flows.map((flow) => ({
    name: flow.name,
    run: async () => {
      // A line for each stanza: gigabytes, were they kept.
      if (alone !== undefined) truncateSync(alone.pair.child('edge').logFile)
      return runFlow(flow, bench)
    },
  }))
  const measured = await interleave(bench, contenders, describeFlow)
  await alone?.close()
  await sink.close()
  if (sink.errors > 0) say(`${sink.errors} stanzas came back as errors`)

  const of = (name: string): FlowSummary | undefined => {
    const each = measured.get(name)
    return each === undefined ? undefined : summarise<keyof typeof FLOW_DIGITS, 'lost'>(each, FLOW_DIGITS, FLOW_SUMS)
  }
  const [xmppToLink, linkToXmpp, prosody] = [of('xmppToLink'), of('linkToXmpp'), of('prosody')]
  const edge =
    xmppToLink === undefined || linkToXmpp === undefined
      ? undefined
      : { ...sides(xmppToLink, linkToXmpp, sink), ...streamsOf(await benchStreams(bench, keys)) }
  if (edge === undefined || prosody === undefined)
    return { ...(edge && { edge }), ...(prosody && { peers: { prosody } }) }
  const edgeCpuRatio = round(edge.cpuMsPer1000 / prosody.cpuMsPer1000, 2)
  say(`the edge takes ${edgeCpuRatio} of the CPU per stanza that Prosody takes`)
  return { edge, peers: { prosody: { ...prosody, edgeCpuRatio } } }
}

type FlowSummary = Summary<keyof typeof FLOW_DIGITS, 'lost'>

/** The slower direction, and the dearer. */
const sides = (xmppToLink: FlowSummary, linkToXmpp: FlowSummary, { errors }: PartnerSink) => ({
  stanzasPerSecond: Math.min(xmppToLink.perSecond, linkToXmpp.perSecond),
  cpuMsPer1000: Math.max(xmppToLink.cpuMsPer1000, linkToXmpp.cpuMsPer1000),
  cameBackAsErrors: errors,
  xmppToLink,
  linkToXmpp,
})

const streamsOf = (streams: StreamsSummary) => ({
  idleStreamKiB: streams.idleStreamKiB,
  handshakesPerSecond: streams.handshakesPerSecond,
  streams,
})

type Context = ReturnType<typeof contextOf>

/** From one TLS stream of a partner to the null gateway; outcomes as the edge counts them. */
async function intoEdge(bench: Bench, { pair, nullGateway }: EdgeAlone, context: Context): Promise<Flow> {
  const { at } = bench.stage
  const to = { host: at.edge, port: PORTS.s2s }
  const socket = await dialProven({ to, localAddress: at.partner, domain: LOAD, remote: SIP, context })
  const hose = new Firehose(socket, stanzasTo(SIP, LOAD))
  const labels = { direction: 'xmpp-to-sip', outcome: 'delivered' }
  return {
    name: 'xmppToLink',
    pids: { subject: pair.child('edge').pid(), nullGateway: nullGateway.pid },
    begin: () => hose.open(),
    end() {
      hose.shut()
      return hose.sent
    },
    arrived: async () => {
      const { arrived, atMs } = await nullGateway.count()
      return { count: arrived, atMs }
    },
    outcomes: () => pair.metric('edge', 'stox_messages_total', labels),
  }
}

/** From the null gateway to one TLS stream of a partner; outcomes as the null gateway hears them. */
function outOfEdge({ pair, nullGateway }: EdgeAlone, sink: PartnerSink): Flow {
  const others = { before: 0 }
  return {
    name: 'linkToXmpp',
    pids: { subject: pair.child('edge').pid(), nullGateway: nullGateway.pid },
    async begin() {
      others.before = sink.messages - (await nullGateway.count()).delivered
      await nullGateway.send(SIP, LOAD, WINDOW)
    },
    async end() {
      await nullGateway.stop()
      return (await nullGateway.count()).sent
    },
    arrived: () => ({ count: sink.messages - others.before, atMs: performance.now() }),
    outcomes: async () => (await nullGateway.count()).delivered,
  }
}

/** From one stream of a partner through Prosody to one stream of a partner, as `mod_bench_relay` sends it on. */
async function throughProsody(bench: Bench, keys: Keys, context: Context, sink: PartnerSink): Promise<Flow> {
  const { stage } = bench
  stage.dns.srv.set(`_xmpp-server._tcp.${LOAD}`, [{ port: PORTS.s2s, target: LOAD }])
  stage.dns.a.set(LOAD, [stage.at.partner])
  const prosody = await stage.prosody({
    users: [],
    mode: 'certificates',
    keyPair: keys.prosody,
    ca: keys.ca,
    // As fast as it can be made without leaving out what it checks.
    globalMore: `plugin_paths = { "${join(e2ePath('conf'))}" }\ngc = { mode = "generational" }\n`,
    hostsMore: `Component "${RELAY}" "bench_relay"\n  relay_to = "${LOAD}"`,
  })
  const to = { host: stage.at.prosody, port: PORTS.s2s }
  const socket = await dialProven({ to, localAddress: stage.at.partner, domain: LOAD, remote: RELAY, context })
  const hose = new Firehose(socket, stanzasTo(RELAY, LOAD))
  const others = { before: 0 }
  let passed = 0
  return {
    name: 'prosody',
    pids: { subject: prosody.pid() },
    begin() {
      others.before = sink.messages - passed
      hose.open()
    },
    end() {
      hose.shut()
      return hose.sent
    },
    arrived() {
      passed = sink.messages - others.before
      return { count: passed, atMs: performance.now() }
    },
  }
}
