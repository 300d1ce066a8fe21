import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { concatBytes } from '@stox/kernel'
import {
  EdgeBatchSchema,
  FrameReader,
  GatewayBatchSchema,
  ProtoWriter,
  edgeBatchCodec,
  gatewayBatchCodec,
  type BatchCodec,
  type EdgeBatch,
  type GatewayBatch,
} from '@stox/link'
import fc from 'fast-check'

// Lengths on both sides of every bound: of short texts, of a length in one, two and three bytes.
const text = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom('', 'é', '\ufeffx', '\ufffd', '😀'),
  fc
    .tuple(fc.constantFrom('x', 'é', '漢', '😀'), fc.constantFrom(41, 42, 43, 47, 48, 49, 64, 65, 126, 127, 128, 200))
    .map(([one, times]) => one.repeat(times)),
)
const xml = fc.oneof(
  text,
  fc
    .tuple(
      fc.constantFrom('x', 'é', '漢'),
      fc.constantFrom(5460, 5461, 5462, 8191, 8192, 16_300, 16_383, 16_384, 70_000),
    )
    .map(([one, times]) => one.repeat(times)),
)
const uint32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 0xffff_ffff))
const double = fc.double({ noNaN: true }).map((value) => (Object.is(value, -0) ? 0 : value))
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined })

const credit = fc.record({ stanzas: uint32, bytes: uint32 })
const failure = fc.record({
  fault: text,
  retry: text,
  condition: text,
  errorType: maybe(text),
  status: uint32,
  text: maybe(text),
  alternate: maybe(text),
  retryAfterS: maybe(uint32),
  detail: text,
})
const outcome = fc.record({
  seq: uint32,
  end: fc.oneof(
    { weight: 3, arbitrary: fc.record({ case: fc.constant('delivered' as const), value: uint32 }) },
    fc.record({ case: fc.constant('absorbed' as const), value: text }),
    fc.record({ case: fc.constant('bounced' as const), value: failure }),
    fc.constant({ case: undefined }),
  ),
})
const heartbeat = fc.record({ atMs: maybe(double), echoMs: maybe(double) })
const common = {
  credit: maybe(credit),
  outcomes: fc.array(outcome, { maxLength: 4 }),
  heartbeat: maybe(heartbeat),
  goodbye: maybe(fc.record({ reason: text, detail: text })),
}
const stream = fc.record({ streamId: text, direction: text, localDomain: text, remoteDomain: text, up: fc.boolean() })
const inbound = fc.record({
  seq: uint32,
  correlationId: text,
  streamId: text,
  localDomain: text,
  remoteDomain: text,
  provenBy: text,
  from: text,
  to: text,
  xml,
  receivedAtMs: double,
})
const edgeBatch = fc
  .record({
    ...common,
    hello: maybe(
      fc.record({ version: uint32, node: text, window: maybe(credit), streams: fc.array(stream, { maxLength: 2 }) }),
    ),
    replicaAck: maybe(fc.record({ revision: double, problem: text })),
    streams: fc.array(stream, { maxLength: 2 }),
    stanzas: fc.array(inbound, { maxLength: 4 }),
  })
  .map((init): EdgeBatch => create(EdgeBatchSchema, init))

const replica = fc.record({ revision: double, modelJson: text, dialbackSecret: text })
const outbound = fc.record({
  seq: uint32,
  correlationId: text,
  localDomain: text,
  remoteDomain: text,
  from: text,
  to: text,
  xml,
  expiresInMs: uint32,
})
const gatewayBatch = fc
  .record({
    ...common,
    hello: maybe(
      fc.record({
        versions: fc.array(uint32, { maxLength: 3 }),
        node: text,
        window: maybe(credit),
        replica: maybe(replica),
      }),
    ),
    replica: maybe(replica),
    delta: maybe(
      fc.record({
        base: double,
        revision: double,
        partnersJson: text,
        removedPartners: fc.array(text, { maxLength: 2 }),
        settingsJson: text,
        localDomainsJson: text,
        dialbackSecret: text,
      }),
    ),
    stanzas: fc.array(outbound, { maxLength: 4 }),
  })
  .map((init): GatewayBatch => create(GatewayBatchSchema, init))

const messageIn = (frame: Uint8Array): Uint8Array => {
  const frames = new FrameReader(1 << 24).push(frame)
  const [only] = frames.ok ? frames.value : []
  if (only?.kind !== 'message') throw new Error('not one frame with a message')
  return only.message
}

/** Two batches are the same when the library writes the same for them; a failure is then one line, not a megabyte. */
const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0

const edge = {
  name: 'edge',
  batch: edgeBatch,
  codec: edgeBatchCodec,
  byLibrary: (batch: EdgeBatch) => toBinary(EdgeBatchSchema, batch),
  readByLibrary: (message: Uint8Array) => fromBinary(EdgeBatchSchema, message),
}
const gateway = {
  name: 'gateway',
  batch: gatewayBatch,
  codec: gatewayBatchCodec,
  byLibrary: (batch: GatewayBatch) => toBinary(GatewayBatchSchema, batch),
  readByLibrary: (message: Uint8Array) => fromBinary(GatewayBatchSchema, message),
}
const RUNS = { seed: 20261123, numRuns: 150 }

function testCodec<Batch>(of: {
  readonly name: string
  readonly batch: fc.Arbitrary<Batch>
  readonly codec: BatchCodec<Batch>
  byLibrary(batch: Batch): Uint8Array
  readByLibrary(message: Uint8Array): Batch
}): void {
  describe(`a batch of the ${of.name}`, () => {
    test('that is written by hand is what the library reads', () => {
      // One writer for all, as on a link: what it gave away must stay.
      const writer = new ProtoWriter()
      let last: { readonly message: Uint8Array; readonly was: Uint8Array } | undefined
      fc.assert(
        fc.property(of.batch, (batch) => {
          const message = messageIn(of.codec.write(writer, batch))
          expect(same(of.byLibrary(of.readByLibrary(message)), of.byLibrary(batch))).toBe(true)
          if (last !== undefined) expect(same(last.message, last.was)).toBe(true)
          last = { message, was: Uint8Array.from(message) }
        }),
        RUNS,
      )
    })

    test('that the library has written is read by hand', () => {
      fc.assert(
        fc.property(of.batch, (batch) => {
          const message = of.byLibrary(batch)
          const read = of.codec.read(message)
          expect(read.ok && same(of.byLibrary(read.value), message)).toBe(true)
        }),
        RUNS,
      )
    })

    test('in pieces, in any order and with fields of the future is read as the library reads it', () => {
      const future = Uint8Array.of(0x7d, 1, 2, 3, 4, 0xa1, 6, 1, 2, 3, 4, 5, 6, 7, 8, 0xf8, 7, 0x96, 1, 0xaa, 6, 1, 9)
      fc.assert(
        fc.property(of.batch, of.batch, (one, other) => {
          const message = concatBytes([of.byLibrary(one), future, of.byLibrary(other)])
          const read = of.codec.read(message)
          expect(read.ok && same(of.byLibrary(read.value), of.byLibrary(of.readByLibrary(message)))).toBe(true)
        }),
        RUNS,
      )
    })

    test('that is cut short or scrambled is a value or a failure, and a value only where the library has one', () => {
      fc.assert(
        fc.property(of.batch, fc.nat(), fc.nat(255), (batch, where, byte) => {
          const whole = of.byLibrary(batch)
          const at = where % Math.max(1, whole.length)
          const scrambled = Uint8Array.from(whole, (was, index) => (index === at ? byte : was))
          for (const bytes of [whole.subarray(0, at), scrambled]) {
            const read = of.codec.read(bytes)
            if (read.ok) expect(() => of.readByLibrary(bytes)).not.toThrow()
          }
        }),
        RUNS,
      )
    })
  })
}
testCodec(edge)
testCodec(gateway)
