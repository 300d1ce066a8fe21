import type { Peer } from './compatibility.ts'
import { until } from './heard.ts'
import type { Scene } from './play.ts'
import { statusOf } from './sip-text.ts'
import type { XmppUser } from './xmpp-user.ts'

const EVERY_MS = 40
const ENOUGH = 25
const TALKING_WITHIN_MS = 30_000
const HEALED_WITHIN_MS = 90_000
const ARRIVED_WITHIN_MS = 5_000
/** A stanza may be so long under way before it is on a stream. */
const ON_ITS_WAY_MS = 2_000

/** A message to the partner, and what its sender was told. */
interface Sent {
  readonly body: string
  readonly atMs: number
  status: number | undefined
}

const isAccepted = ({ status }: Sent): boolean => status !== undefined && status < 300
const isRefused = ({ status }: Sent): boolean => status !== undefined && status >= 300

/**
 * The partner's server stops, is away, and comes back, while both sides write. Whoever writes to it has an outcome for
 * each message, what was accepted arrives, and streams come back by themselves.
 */
export async function restartWhileTheyTalk(scene: Scene<'juliet', 'romeo'>, peer: Peer): Promise<void> {
  const { stage, server, xmpp, sip } = scene
  const { romeo } = sip
  const name = `restart of ${peer}`
  const sent: Sent[] = []
  const outcomes: Promise<void>[] = []
  const readers: XmppUser[] = [xmpp.juliet]
  let writer: XmppUser | undefined = xmpp.juliet
  let written = 0
  const timer = setInterval(() => {
    const one: Sent = { body: `${name}, to XMPP ${sent.length}`, atMs: Date.now(), status: undefined }
    sent.push(one)
    outcomes.push(
      romeo.message(`sip:${xmpp.juliet.bare}`, one.body).then(
        (answer) => void (one.status = statusOf(answer)),
        () => undefined,
      ),
    )
    writer?.message(romeo.aor.slice('sip:'.length), `${name}, to SIP ${(written += 1)}`)
  }, EVERY_MS)

  const heardBySip = (): number => romeo.heard.all.filter(({ body }) => body.startsWith(name)).length
  const heardByXmpp = (): readonly string[] => readers.flatMap((one) => one.heard.all.map(({ body }) => body ?? ''))
  const talking = async (timeoutMs: number): Promise<void> => {
    const [accepted, heard] = [sent.filter(isAccepted).length, heardBySip()]
    const both = () => sent.filter(isAccepted).length > accepted + ENOUGH && heardBySip() > heard + ENOUGH
    await until('messages each way', both, timeoutMs)
  }
  let stopping: readonly [number, number]
  try {
    await talking(TALKING_WITHIN_MS)
    const stoppingMs = Date.now()
    await server.stop()
    stopping = [stoppingMs - ON_ITS_WAY_MS, Date.now()]
    writer = undefined
    await xmpp.juliet.stop()
    await until('somebody who hears that it is away', () => sent.some(isRefused), TALKING_WITHIN_MS)
    await server.start()
    writer = await stage.xmppUser(server, 'juliet', { resource: 'back' })
    readers.push(writer)
    await talking(HEALED_WITHIN_MS)
  } finally {
    clearInterval(timer)
  }
  await Promise.all(outcomes)
  expect(sent.filter(({ status }) => status === undefined)).toEqual([])

  const lost = (): readonly Sent[] => {
    const heard = new Set(heardByXmpp())
    return sent.filter((one) => isAccepted(one) && !heard.has(one.body))
  }
  await until('what was accepted', () => lost().length === 0, ARRIVED_WITHIN_MS).catch(() => undefined)
  const heard = heardByXmpp().filter((body) => body.startsWith(name))
  process.stdout.write(
    `${name}: ${sent.length} sent, ${sent.filter(isRefused).length} refused, ${lost().length} accepted and lost ` +
      `while it was stopping, ${heard.length - new Set(heard).size} twice\n`,
  )
  // Without stream management nobody can know what a server had read when it was told to stop.
  if (peer === 'ejabberd') for (const { atMs } of lost()) expect(stopping[0] <= atMs && atMs <= stopping[1]).toBe(true)
  else expect(lost()).toEqual([])
}
