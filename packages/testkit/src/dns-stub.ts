import type { Socket } from 'node:dgram'
import { createSocket } from 'node:dgram'
import type { Answer, Packet } from 'dns-packet'
import { decode, encode } from 'dns-packet'

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

/** A name server on loopback that says what its zone says, over UDP. Names are in lower case and without a final dot. */
export class DnsStub {
  readonly srv = new Map<string, readonly StubSrv[]>()
  readonly naptr = new Map<string, readonly StubNaptr[]>()
  readonly a = new Map<string, readonly string[]>()
  readonly aaaa = new Map<string, readonly string[]>()
  /** Names for which it answers SERVFAIL. */
  readonly broken = new Set<string>()
  /** Names for which it keeps silent. */
  readonly silent = new Set<string>()
  /** Every question so far, as `TYPE name`. */
  readonly asked: string[] = []
  readonly #socket: Socket = createSocket('udp4')

  /** @returns `address:port`, as a resolver wants it. */
  listen(port = 0, address = '127.0.0.1'): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#socket.once('error', reject)
      this.#socket.on('message', (bytes, from) => {
        const answer = this.#answer(decode(bytes))
        if (answer !== undefined) this.#socket.send(encode(answer), from.port, from.address)
      })
      this.#socket.bind(port, address, () => resolve(`${address}:${this.#socket.address().port}`))
    })
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()))
  }

  #answer(query: Packet): Packet | undefined {
    const question = query.questions?.[0]
    if (question === undefined) return undefined
    const name = question.name.toLowerCase()
    this.asked.push(`${question.type} ${name}`)
    if (this.silent.has(name)) return undefined
    const exists = [this.srv, this.a, this.aaaa, this.naptr].some((records) => records.has(name))
    const rcode = this.broken.has(name) ? SERVFAIL : exists ? 0 : NXDOMAIN
    const answers = rcode === 0 ? this.#records(name, question.type) : []
    return { type: 'response', id: query.id ?? 0, flags: RD_RA | rcode, questions: [question], answers }
  }

  #records(name: string, type: string): Answer[] {
    if (type === 'SRV') {
      return (this.srv.get(name) ?? []).map(({ priority = 10, weight = 0, port, target }) => ({
        type: 'SRV',
        name,
        ttl: 5,
        data: { priority, weight, port, target },
      }))
    }
    if (type === 'NAPTR') {
      return (this.naptr.get(name) ?? []).map(({ order, preference, service, replacement }) => ({
        type: 'NAPTR',
        name,
        ttl: 5,
        data: { order, preference, flags: 's', services: service, regexp: '', replacement },
      }))
    }
    if (type === 'A') return (this.a.get(name) ?? []).map((data) => ({ type: 'A', name, ttl: 5, data }))
    if (type === 'AAAA') return (this.aaaa.get(name) ?? []).map((data) => ({ type: 'AAAA', name, ttl: 5, data }))
    return []
  }
}

const RD_RA = 0x0180
const SERVFAIL = 2
const NXDOMAIN = 3
