import { createSocket, type Socket } from 'node:dgram'
import { createServer, type Server, type Socket as Stream } from 'node:net'
import { once } from 'node:events'

const A = 1
const SRV = 33
const TTL_S = 5
const NXDOMAIN = 3

export type DnsRecord =
  | { readonly name: string; readonly a: string }
  | {
      readonly name: string
      readonly srv: {
        readonly priority: number
        readonly weight: number
        readonly port: number
        readonly target: string
      }
    }

/** A name server for a handful of test names, over UDP and TCP; change `records` and the next answer is different. */
export class DnsStub {
  records: readonly DnsRecord[]
  readonly #udp: Socket = createSocket('udp4')
  readonly #tcp: Server
  readonly #streams = new Set<Stream>()

  private constructor(records: readonly DnsRecord[]) {
    this.records = records
    this.#udp.on('message', (query, peer) => this.#udp.send(this.#answer(query), peer.port, peer.address))
    this.#tcp = createServer((stream) => {
      this.#streams.add(stream)
      stream.once('close', () => this.#streams.delete(stream))
      stream.on('error', () => stream.destroy())
      let pending = Buffer.alloc(0)
      stream.on('data', (chunk) => {
        pending = Buffer.concat([pending, chunk])
        while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
          const size = pending.readUInt16BE(0)
          const reply = this.#answer(pending.subarray(2, 2 + size))
          pending = pending.subarray(2 + size)
          stream.write(Buffer.concat([u16(reply.length), reply]))
        }
      })
    })
  }

  static async start(address: string, port: number, records: readonly DnsRecord[]): Promise<DnsStub> {
    const stub = new DnsStub(records)
    stub.#udp.bind(port, address)
    await once(stub.#udp, 'listening')
    stub.#tcp.listen(port, address)
    await once(stub.#tcp, 'listening')
    return stub
  }

  async stop(): Promise<void> {
    this.#streams.forEach((stream) => stream.destroy())
    await Promise.all([
      new Promise<void>((resolve) => this.#udp.close(() => resolve())),
      new Promise<void>((resolve) => this.#tcp.close(() => resolve())),
    ])
  }

  #answer(query: Buffer): Buffer {
    const labels: string[] = []
    let at = 12
    for (let size = query[at] ?? 0; size > 0 && at + size < query.length; size = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + size).toLowerCase())
      at += size + 1
    }
    const question = query.subarray(12, at + 5)
    const type = at + 3 <= query.length ? query.readUInt16BE(at + 1) : 0
    const name = labels.join('.')
    const known = this.records.some((record) => record.name === name || record.name.endsWith(`.${name}`))
    const answers = this.records.filter((record) => record.name === name && ('a' in record ? A : SRV) === type)
    const flags = 0x8480 | (query.readUInt16BE(2) & 0x0100) | (known ? 0 : NXDOMAIN)
    const head = [query.subarray(0, 2), u16(flags), u16(1), u16(answers.length), u16(0), u16(0), question]
    return Buffer.concat([...head, ...answers.map((record) => encode(record))])
  }
}

function encode(record: DnsRecord): Buffer {
  const type = 'a' in record ? A : SRV
  const data =
    'a' in record
      ? Buffer.from(record.a.split('.').map(Number))
      : Buffer.concat([
          u16(record.srv.priority),
          u16(record.srv.weight),
          u16(record.srv.port),
          encodeName(record.srv.target),
        ])
  return Buffer.concat([u16(0xc00c), u16(type), u16(1), u16(0), u16(TTL_S), u16(data.length), data])
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  return Buffer.concat([...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])), Buffer.from([0])])
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
