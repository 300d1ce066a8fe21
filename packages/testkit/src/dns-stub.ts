import type { Socket } from 'node:dgram'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Server } from 'node:net'
import { createServer } from 'node:net'
import type { Answer, Packet } from 'dns-packet'
import { decode, encode, streamDecode, streamEncode } from 'dns-packet'

export interface StubSrv {
  readonly priority?: number
  readonly weight?: number
  readonly port: number
  /** '.' says that the service is not offered. */
  readonly target: string
}

export interface StubNaptr {
  readonly order: number
  readonly preference: number
  readonly service: string
  /** The name of SRV records. */
  readonly replacement: string
}

/** A name server on loopback that says what its zone says, over UDP and TCP. Names are in lower case and without a final dot. */
export class DnsStub {
  readonly srv = new Map<string, readonly StubSrv[]>()
  readonly naptr = new Map<string, readonly StubNaptr[]>()
  readonly a = new Map<string, readonly string[]>()
  readonly aaaa = new Map<string, readonly string[]>()
  /** From a name to the one that it stands for, with whose records it is answered. */
  readonly cname = new Map<string, string>()
  /** Names for which it answers SERVFAIL. */
  readonly broken = new Set<string>()
  /** Names for which it keeps silent. */
  readonly silent = new Set<string>()
  /** Names whose answer is too big for UDP. @see RFC 7766 §5 */
  readonly truncated = new Set<string>()
  /** Seconds that an answer may be remembered. */
  ttl = 5
  /** Every question so far, as `TYPE name`. */
  readonly asked: string[] = []
  readonly #socket: Socket = createSocket('udp4')
  readonly #server: Server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      const query = streamDecode(bytes)
      const answer = query === null ? undefined : this.#answer(query, 'tcp')
      if (answer !== undefined) socket.write(streamEncode(answer))
    })
  })

  /** @returns `address:port`, as a resolver wants it. */
  async listen(port = 0, address = '127.0.0.1'): Promise<string> {
    this.#socket.on('message', (bytes, from) => {
      const answer = this.#answer(decode(bytes), 'udp')
      if (answer !== undefined) this.#socket.send(encode(answer), from.port, from.address)
    })
    this.#socket.bind(port, address)
    await once(this.#socket, 'listening')
    const taken = this.#socket.address().port
    this.#server.listen(taken, address)
    await once(this.#server, 'listening')
    return `${address}:${taken}`
  }

  async close(): Promise<void> {
    await Promise.all([
      new Promise<void>((resolve) => this.#socket.close(resolve)),
      new Promise<unknown>((resolve) => this.#server.close(resolve)),
    ])
  }

  #answer(query: Packet, over: 'udp' | 'tcp'): Packet | undefined {
    const question = query.questions?.[0]
    if (question === undefined) return undefined
    const name = question.name.toLowerCase()
    this.asked.push(`${question.type} ${name}`)
    if (this.silent.has(name)) return undefined
    const exists = [this.srv, this.a, this.aaaa, this.naptr, this.cname].some((records) => records.has(name))
    const rcode = this.broken.has(name) ? SERVFAIL : exists ? 0 : NXDOMAIN
    if (over === 'udp' && this.truncated.has(name)) {
      return { type: 'response', id: query.id ?? 0, flags: RD_RA | TRUNCATED, questions: [question], answers: [] }
    }
    const answers = rcode === 0 ? this.#records(name, question.type) : []
    return { type: 'response', id: query.id ?? 0, flags: RD_RA | rcode, questions: [question], answers }
  }

  #records(name: string, type: string): Answer[] {
    const { ttl } = this
    const real = this.cname.get(name)
    if (real !== undefined) return [{ type: 'CNAME', name, ttl, data: real }, ...this.#records(real, type)]
    if (type === 'SRV') {
      return (this.srv.get(name) ?? []).map(({ priority = 10, weight = 0, port, target }) => ({
        type: 'SRV',
        name,
        ttl,
        data: { priority, weight, port, target },
      }))
    }
    if (type === 'NAPTR') {
      return (this.naptr.get(name) ?? []).map(({ order, preference, service, replacement }) => ({
        type: 'NAPTR',
        name,
        ttl,
        data: { order, preference, flags: 's', services: service, regexp: '', replacement },
      }))
    }
    if (type === 'A') return (this.a.get(name) ?? []).map((data) => ({ type: 'A', name, ttl, data }))
    if (type === 'AAAA') return (this.aaaa.get(name) ?? []).map((data) => ({ type: 'AAAA', name, ttl, data }))
    return []
  }
}

const RD_RA = 0x0180
const TRUNCATED = 0x0200
const SERVFAIL = 2
const NXDOMAIN = 3
