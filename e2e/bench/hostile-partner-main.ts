import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setPriority } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import { attrOf } from '../src/xml-text.ts'
import { contextOf, dialProven, dialSecured, header } from './partner-streams.ts'
import type { HostileCase, HostileName, HostileOrder, HostileStart } from './hostile-partner.ts'

/**
 * The process of `HostilePartner`: does one bad thing over and over, on several connections at once, as fast as it is let.
 * It runs when nobody else wants to, for in life it has a machine of its own.
 */
setPriority(19)
spawnSync('chrt', ['--all-tasks', '--idle', '--pid', '0', String(process.pid)], { stdio: 'ignore' })

const AT_ONCE = 4
const MIB = 1024 * 1024

let start: HostileStart
let me: HostileName
/** Of the case under way; ended when the next order comes. */
let running = new AbortController()
const open = new Set<Socket>()
/** How our own server answers questions about keys, and whether it reads on when a stream is good. */
let verdictOn = (verify: string): string => answerTo(verify, 'invalid')
let isDeaf = false

const kept = <T extends Socket>(socket: T): T => {
  open.add(socket)
  socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket))
  return socket
}
const answerTo = (verify: string, type: string, id = attrOf(verify, 'id')): string =>
  `<db:verify from='${attrOf(verify, 'to')}' to='${attrOf(verify, 'from')}' id='${id}' type='${type}'/>`
const message = (attributes: string, body: string): string =>
  `<message from='m@${me.domain}' to='s@${start.remote}' ${attributes}>${body}</message>`
const dialling = (certificate = 'good') => ({
  to: start.edge,
  localAddress: me.address,
  domain: me.domain,
  remote: start.remote,
  context: contextOf(start.certificates[certificate as keyof HostileStart['certificates']]),
  onConnection: kept<Socket>,
})

async function connected(localAddress = me.address): Promise<Socket> {
  const socket = kept(connect({ ...start.edge, localAddress, noDelay: true }))
  await once(socket, 'connect')
  return socket
}
const proven = async (): Promise<Socket> => kept(await dialProven(dialling()))

/** Each socket is destroyed when the next order comes, so that it is enough to wait for its end. */
const nextOf = (socket: Socket, event: 'drain' | 'close'): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.off(event, done).off('close', done)
      resolve()
    }
    if (socket.destroyed) resolve()
    else socket.on(event, done).on('close', done)
  })

/** Until the other end has had enough. */
async function closed(socket: Socket): Promise<void> {
  socket.resume()
  await nextOf(socket, 'close')
}

async function pour(socket: Socket, piece: Buffer, total = Number.POSITIVE_INFINITY): Promise<void> {
  socket.resume()
  for (let written = 0; written < total && !socket.destroyed && !running.signal.aborted; written += piece.length) {
    if (socket.write(piece)) await new Promise((resolve) => setImmediate(resolve))
    else await nextOf(socket, 'drain')
  }
}

/** On a stream that is good up to then. */
const saying = (text: string | Buffer) => async (): Promise<void> => {
  const socket = await proven()
  socket.write(text)
  await closed(socket)
}
const withCertificate = (name: string) => async (): Promise<void> => {
  const socket = kept(await dialSecured(dialling(name)))
  socket.write(header(me.domain, start.remote))
  await closed(socket)
}
const inClear =
  (text: () => string, from = () => me.domain) =>
  async (): Promise<void> => {
    const socket = await connected()
    socket.write(header(from(), start.remote) + text())
    await closed(socket)
  }
const key = (): string => `<db:result from='${me.domain}' to='${start.remote}'>${'f'.repeat(64)}</db:result>`
const keyWith = (verdict: (verify: string) => string) => async (): Promise<void> => {
  verdictOn = verdict
  await inClear(key)()
}
const AUTH = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>`

/** One turn of each; it is taken again and again. */
const CASES: Readonly<Record<HostileCase | 'busy', () => Promise<void>>> = {
  expiredCertificate: withCertificate('expired'),
  selfSignedCertificate: withCertificate('selfSigned'),
  wrongNameCertificate: withCertificate('wrongName'),
  wrongPurposeCertificate: withCertificate('wrongPurpose'),
  foreignCertificate: withCertificate('foreign'),
  externalInClear: inClear(() => AUTH.repeat(3)),
  replayedKey: keyWith((verify) => answerTo(verify, 'invalid')),
  wrongId: keyWith((verify) => answerTo(verify, 'valid', 'another')),
  domainNeverAsked: keyWith((verify) => answerTo(verify, 'valid').replace(me.domain, 'elsewhere.example')),
  keysWithoutEnd: async () => {
    const socket = await connected()
    socket.write(header(me.domain, start.remote))
    const question = `<db:verify from='${me.domain}' to='${start.remote}' id='none'>${'0'.repeat(64)}</db:verify>`
    await pour(socket, Buffer.from(question.repeat(100)), 100 * MIB)
    await closed(socket)
  },
  domainSwitched: () => saying(message('', '').replace(me.domain, 'elsewhere.example'))(),
  flood: async () => {
    const flood = message(`type='chat' id='f'`, `<body>${'flood '.repeat(10)}</body>`)
    await pour(await proven(), Buffer.from(flood.repeat(200)))
  },
  slowHeader: async () => {
    const socket = await connected()
    for (const letter of header(me.domain, start.remote)) {
      if (socket.destroyed || running.signal.aborted) break
      socket.write(letter)
      await pause(250)
    }
    socket.destroy()
  },
  byteASecond: async () => {
    const socket = await proven()
    socket.write(message('', '').slice(0, -10))
    for (; !socket.destroyed && !running.signal.aborted; await pause(1000)) socket.write('x')
    socket.destroy()
  },
  hugeText: async () => {
    const socket = await proven()
    socket.write(`<message from='m@${me.domain}' to='s@${start.remote}'><body>`)
    await pour(socket, Buffer.alloc(65_536, 'text '), 100 * MIB)
    await closed(socket)
  },
  deepNesting: () => saying(message('', '<x>'.repeat(10_000)))(),
  manyAttributes: () =>
    saying(message(Array.from({ length: 100_000 }, (_none, index) => `a${index}=''`).join(' '), ''))(),
  splitUtf8: async () => {
    const socket = await proven()
    for (const byte of Buffer.from(message(`type='chat'`, '<body>戀人🌹</body>').repeat(20)))
      socket.write(Buffer.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
    socket.end()
    await closed(socket)
  },
  invalidUtf8: () => saying(Buffer.concat([Buffer.from(message('', '').slice(0, -10)), Buffer.of(0xc0, 0xaf, 0x3c)]))(),
  silentCrowd: async () => {
    const net = me.address.split('.').slice(0, 3).join('.')
    const socket = await connected(`${net}.${200 + Math.floor(Math.random() * 50)}`)
    socket.resume()
    // Two thousand at most, of which the edge keeps few.
    if (open.size > 2000) await pause(50)
  },
  busy: async () => {
    for (const endMs = performance.now() + 2; performance.now() < endMs;);
    await new Promise((resolve) => setImmediate(resolve))
  },
  deafReader: async () => {
    isDeaf = true
    const ask = `<iq from='${me.domain}' to='${start.remote}' type='get' id='q'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`
    await pour(await proven(), Buffer.from(ask.repeat(100)))
  },
}

/** Our server, in the clear as the record allows: takes every key, and answers questions about ours as the case wants. */
const serve = (socket: Socket): void => {
  kept(socket)
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    const theirs = /<stream:stream[^>]*>/.exec(text)
    if (theirs !== null) {
      socket.write(header(me.domain, attrOf(theirs[0], 'from') ?? '', ` id='h'`) + '<stream:features/>')
      text = text.slice(theirs.index + theirs[0].length)
    }
    const [question] = /<db:verify[^>]*>/.exec(text) ?? []
    if (question !== undefined) socket.write(verdictOn(question))
    if (text.includes('<db:result')) {
      socket.write(`<db:result from='${me.domain}' to='${start.remote}' type='valid'/>`)
      if (isDeaf) socket.pause()
    }
    if (theirs === null || text !== '') text = ''
  })
}
let server: Server | undefined

async function again(turn: () => Promise<void>, { signal }: AbortController): Promise<void> {
  while (!signal.aborted) {
    // Refused, most likely; a peer that is shut out tries again, and not without a breath.
    await turn().catch(() => pause(20))
  }
}

async function obey(order: HostileOrder): Promise<void> {
  running.abort()
  running = new AbortController()
  // By a reset: megabytes would be in the kernel's buffers otherwise, and be read to the end before anything else is measured.
  for (const socket of [...open]) if (!(socket instanceof TLSSocket)) socket.resetAndDestroy()
  server?.close()
  isDeaf = false
  if (order.kind === 'begin') {
    me = order.as
    server = createServer({ noDelay: true }, serve).listen(start.port, me.address)
    await once(server, 'listening')
    for (let count = 0; count < AT_ONCE; count += 1) void again(CASES[order.what], running)
  }
  process.send?.('done')
}

process.once('message', (first) => {
  start = first as HostileStart
  process.on('message', (order) => void obey(order as HostileOrder))
  process.send?.('ready')
})
process.once('disconnect', () => process.exit())
