import type { Peer } from './compatibility.ts'
import { pause, until } from './heard.ts'
import type { Scene } from './play.ts'
import { sessionsOf, streamsOf, type Session } from './sessions.ts'
import { statusOf } from './sip-text.ts'
import type { SipUser } from './sip-user.ts'
import { SIP } from './stage.ts'
import type { XmppServer } from './xmpp-server.ts'
import type { XmppUser } from './xmpp-user.ts'

const EVERY_MS = 40
const ENOUGH = 25
const TALKING_WITHIN_MS = 30_000
const HEALED_WITHIN_MS = 90_000
const ARRIVED_WITHIN_MS = 10_000
/** A stanza may be so long under way before it is on a stream. */
const ON_ITS_WAY_MS = 2_000
/** Longer than we wait for an acknowledgement, shorter than we wait for a sign of life. */
const HANGS_MS = 8_000

const DIRECTIONS = ['inbound', 'outbound'] as const

type Village = Scene<'juliet', 'romeo'>

/** A message to the partner, and what its sender was told. */
interface Sent {
  readonly body: string
  readonly atMs: number
  status: number | undefined
}

const isAccepted = ({ status }: Sent): boolean => status !== undefined && status < 300
const isRefused = ({ status }: Sent): boolean => status !== undefined && status >= 300

/** Both sides write all the time; whoever stands for the partner's user may change. */
class Talk {
  readonly #name: string
  readonly #romeo: SipUser
  readonly #readers: XmppUser[] = []
  readonly #outcomes: Promise<void>[] = []
  readonly #timer: NodeJS.Timeout
  readonly sent: Sent[] = []
  #writer: XmppUser | undefined
  #written = 0

  constructor(name: string, romeo: SipUser, juliet: XmppUser) {
    this.#name = name
    this.#romeo = romeo
    this.#timer = setInterval(() => this.#both(juliet.bare), EVERY_MS)
    this.joins(juliet)
  }

  joins(juliet: XmppUser): void {
    this.#readers.push(juliet)
    this.#writer = juliet
  }

  leaves(): void {
    this.#writer = undefined
  }

  #both(to: string): void {
    const one: Sent = { body: `${this.#name}, to XMPP ${this.sent.length}`, atMs: Date.now(), status: undefined }
    this.sent.push(one)
    this.#outcomes.push(
      this.#romeo.message(`sip:${to}`, one.body).then(
        (answer) => void (one.status = statusOf(answer)),
        () => undefined,
      ),
    )
    this.#writer?.message(this.#romeo.aor.slice('sip:'.length), `${this.#name}, to SIP ${(this.#written += 1)}`)
  }

  /** Messages have come through, each way, since this was asked. */
  async goesOn(timeoutMs: number): Promise<void> {
    const heardBySip = (): number => this.#romeo.heard.all.filter(({ body }) => body.startsWith(this.#name)).length
    const [accepted, heard] = [this.sent.filter(isAccepted).length, heardBySip()]
    const both = () => this.sent.filter(isAccepted).length > accepted + ENOUGH && heardBySip() > heard + ENOUGH
    await until('messages each way', both, timeoutMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Every sender has heard something; those that were told that it went, and it never came. */
  async lost(): Promise<readonly Sent[]> {
    await Promise.all(this.#outcomes)
    expect(this.sent.filter(({ status }) => status === undefined)).toEqual([])
    const heard = (): readonly string[] => this.#readers.flatMap((one) => one.heard.all.map(({ body }) => body ?? ''))
    const lost = (): readonly Sent[] => {
      const all = new Set(heard())
      return this.sent.filter((one) => isAccepted(one) && !all.has(one.body))
    }
    await until('what was accepted', () => lost().length === 0, ARRIVED_WITHIN_MS).catch(() => undefined)
    const ours = heard().filter((body) => body.startsWith(this.#name))
    process.stdout.write(
      `${this.#name}: ${this.sent.length} sent, ${this.sent.filter(isRefused).length} refused, ` +
        `${lost().length} accepted and lost, ${ours.length - new Set(ours).size} twice\n`,
    )
    return lost()
  }
}

const login = ({ stage, server }: Village, resource: string): Promise<XmppUser> =>
  stage.xmppUser(server, 'juliet', { resource })

/** They write until it goes away, somebody hears that it is, it comes back, and they write again. */
async function goesAndComes(
  scene: Village,
  peer: Peer,
  how: string,
  go: (server: XmppServer) => Promise<void>,
): Promise<void> {
  const { server, xmpp, sip } = scene
  await xmpp.juliet.stop()
  const before = await login(scene, `before ${how}`)
  const talk = new Talk(`${peer} ${how}`, sip.romeo, before)
  const people = [before]
  let going: readonly [number, number]
  try {
    await talk.goesOn(TALKING_WITHIN_MS)
    if (peer === 'Prosody') {
      // It keeps them from now on: a reader's connection that is being closed loses what is written to it.
      before.presence({ type: 'unavailable' })
      await talk.goesOn(TALKING_WITHIN_MS)
    }
    const goesMs = Date.now()
    await go(server)
    going = [goesMs - ON_ITS_WAY_MS, Date.now() + ON_ITS_WAY_MS]
    talk.leaves()
    await before.stop()
    await until('somebody who hears that it is away', () => talk.sent.some(isRefused), TALKING_WITHIN_MS)
    await server.start()
    const back = await login(scene, `after ${how}`)
    people.push(back)
    talk.joins(back)
    await talk.goesOn(HEALED_WITHIN_MS)
  } finally {
    talk.stop()
  }
  const lost = await talk.lost()
  await Promise.all(people.map((one) => one.stop()))
  // Without stream management nobody can know what a server had read when it ended.
  if (peer === 'ejabberd') for (const { atMs } of lost) expect(going[0] <= atMs && atMs <= going[1]).toBe(true)
  else expect(lost).toEqual([])
}

/** The partner's server stops: whoever writes to it has an outcome for each message, and what was accepted arrives. */
export async function restartWhileTheyTalk(scene: Village, peer: Peer): Promise<void> {
  await goesAndComes(scene, peer, 'restarted', (server) => server.stop())
}

/** It is killed: the same, and the end of each stream is one record. */
export async function killWhileTheyTalk(scene: Village, peer: Peer): Promise<void> {
  const ends = async (): Promise<readonly number[]> => {
    const failed = await sessionsOf(scene.pair, { state: 'failed' })
    const broken = failed.filter(({ failure }) => failure?.cause === 'connection-lost')
    return DIRECTIONS.map((way) => broken.find(({ direction }) => direction === way)?.failure?.times ?? 0)
  }
  const before = await ends()
  await goesAndComes(scene, peer, 'killed', (server) => server.kill9())
  expect(await ends()).toEqual(before.map((times) => times + 1))
}

/** It hangs for a while: nobody is told that anything failed, all arrives once, and the streams are the same. */
export async function hangWhileTheyTalk(scene: Village, peer: Peer): Promise<void> {
  const { server, pair, xmpp, sip } = scene
  await xmpp.juliet.stop()
  const juliet = await login(scene, 'waits')
  const streams = async (): Promise<readonly string[]> =>
    (await streamsOf(pair, server.domain, SIP)).map(({ id }: Session) => id).toSorted()
  const talk = new Talk(`${peer} hangs`, sip.romeo, juliet)
  let before: readonly string[]
  try {
    await talk.goesOn(TALKING_WITHIN_MS)
    before = await streams()
    process.kill(server.pid(), 'SIGSTOP')
    await pause(HANGS_MS).finally(() => process.kill(server.pid(), 'SIGCONT'))
    await talk.goesOn(TALKING_WITHIN_MS)
  } finally {
    talk.stop()
  }
  expect(await talk.lost()).toEqual([])
  expect(talk.sent.filter(isRefused)).toEqual([])
  expect(await streams()).toEqual(before)
  await juliet.stop()
}
