import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { concatBytes, fail, ok, type Result } from '@stox/kernel'
import { FRAME_HEAD_BYTES, sealFrame } from './connect-frames.ts'
import { EdgeBatchSchema, GatewayBatchSchema, OutcomeSchema } from './gen/stox/link/v1/link_pb.ts'
import type * as wire from './gen/stox/link/v1/link_pb.ts'
import { ProtoReader } from './proto-reader.ts'
import { type ProtoWriter, doubleTag, lengthTag, varintTag } from './proto-writer.ts'

/**
 * Batches as the schema in `proto/` has them, but quicker: credit, outcomes and stanzas are written and read by hand,
 * what comes seldom by the library. A test holds the two against each other.
 */
export interface BatchCodec<Batch> {
  /** A whole frame of the stream. */
  write(writer: ProtoWriter, batch: Batch): Uint8Array
  /** The message of a frame; or what is wrong with it. */
  read(message: Uint8Array): Result<Batch, string>
}

interface HotFields<Stanza> {
  credit?: wire.Credit | undefined
  outcomes: wire.Outcome[]
  stanzas: Stanza[]
}

const CREDIT = lengthTag(4)
const OUTCOME = lengthTag(5)
const STANZA = lengthTag(6)

interface Direction<Batch, Stanza> {
  /** What the library is to write: nothing, most often. */
  cold(batch: Batch): Uint8Array | undefined
  fromCold(bytes: Uint8Array): Batch
  writeStanza(writer: ProtoWriter, stanza: Stanza): void
  readStanza(reader: ProtoReader, last: Stanza | undefined): Stanza
}

function codecOf<Batch extends HotFields<Stanza>, Stanza>(direction: Direction<Batch, Stanza>): BatchCodec<Batch> {
  return {
    write(writer, batch) {
      writer.begin(FRAME_HEAD_BYTES)
      const cold = direction.cold(batch)
      if (cold !== undefined) writer.raw(cold)
      if (batch.credit !== undefined) writeCredit(writer, batch.credit)
      for (const outcome of batch.outcomes) writeOutcome(writer, outcome)
      for (const stanza of batch.stanzas) direction.writeStanza(writer, stanza)
      return sealFrame(writer.finish())
    },
    read(message) {
      const reader = new ProtoReader(message)
      const outcomes: wire.Outcome[] = []
      const stanzas: Stanza[] = []
      const cold: Uint8Array[] = []
      let credit: wire.Credit | undefined
      let last: Stanza | undefined
      try {
        for (let at = 0, tag = reader.tag(); tag !== 0; at = reader.at, tag = reader.tag()) {
          if (tag === STANZA) stanzas.push((last = direction.readStanza(reader, last)))
          else if (tag === OUTCOME) outcomes.push(readOutcome(reader))
          else if (tag === CREDIT) credit = readCredit(reader, credit)
          else {
            reader.skip(tag)
            cold.push(reader.since(at))
          }
        }
        if (reader.problem !== undefined) return fail(reader.problem)
        const batch = direction.fromCold(concatBytes(cold))
        batch.credit = credit
        batch.outcomes = outcomes
        batch.stanzas = stanzas
        return ok(batch)
      } catch (error) {
        return fail(error instanceof Error ? error.message : String(error))
      }
    },
  }
}

export const edgeBatchCodec: BatchCodec<wire.EdgeBatch> = codecOf<wire.EdgeBatch, wire.InboundStanza>({
  cold({ hello, replicaAck, streams, heartbeat, goodbye, ...batch }) {
    if ((hello ?? replicaAck ?? heartbeat ?? goodbye) === undefined && streams.length === 0) return undefined
    const { $typeName } = batch
    const fields = { hello, replicaAck, streams, heartbeat, goodbye }
    return toBinary(EdgeBatchSchema, { $typeName, ...fields, outcomes: [], stanzas: [] })
  },
  fromCold: (bytes) =>
    bytes.length > 0
      ? fromBinary(EdgeBatchSchema, bytes)
      : { $typeName: 'stox.link.v1.EdgeBatch', streams: [], outcomes: [], stanzas: [] },
  writeStanza(writer, stanza) {
    const start = writer.enter(STANZA)
    writer.uint32(varintTag(1), stanza.seq)
    writer.text(lengthTag(2), stanza.correlationId)
    writer.text(lengthTag(3), stanza.streamId)
    writer.text(lengthTag(4), stanza.localDomain)
    writer.text(lengthTag(5), stanza.remoteDomain)
    writer.text(lengthTag(6), stanza.provenBy)
    writer.text(lengthTag(7), stanza.from)
    writer.text(lengthTag(8), stanza.to)
    writer.text(lengthTag(9), stanza.xml)
    writer.double(doubleTag(10), stanza.receivedAtMs)
    writer.leave(start)
  },
  readStanza(reader, last) {
    const outer = reader.enter()
    const stanza: wire.InboundStanza = {
      $typeName: 'stox.link.v1.InboundStanza',
      seq: 0,
      correlationId: '',
      streamId: '',
      localDomain: '',
      remoteDomain: '',
      provenBy: '',
      from: '',
      to: '',
      xml: '',
      receivedAtMs: 0,
    }
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === varintTag(1)) stanza.seq = reader.uint32()
      else if (tag === lengthTag(2)) stanza.correlationId = reader.text()
      else if (tag === lengthTag(3)) stanza.streamId = reader.text(last?.streamId)
      else if (tag === lengthTag(4)) stanza.localDomain = reader.text(last?.localDomain)
      else if (tag === lengthTag(5)) stanza.remoteDomain = reader.text(last?.remoteDomain)
      else if (tag === lengthTag(6)) stanza.provenBy = reader.text(last?.provenBy)
      else if (tag === lengthTag(7)) stanza.from = reader.text(last?.from)
      else if (tag === lengthTag(8)) stanza.to = reader.text(last?.to)
      else if (tag === lengthTag(9)) stanza.xml = reader.text()
      else if (tag === doubleTag(10)) stanza.receivedAtMs = reader.double()
      else reader.skip(tag)
    }
    reader.leave(outer)
    return stanza
  },
})

export const gatewayBatchCodec: BatchCodec<wire.GatewayBatch> = codecOf<wire.GatewayBatch, wire.OutboundStanza>({
  cold({ hello, replica, delta, heartbeat, goodbye, ...batch }) {
    if ((hello ?? replica ?? delta ?? heartbeat ?? goodbye) === undefined) return undefined
    const { $typeName } = batch
    const fields = { hello, replica, delta, heartbeat, goodbye }
    return toBinary(GatewayBatchSchema, { $typeName, ...fields, outcomes: [], stanzas: [] })
  },
  fromCold: (bytes) =>
    bytes.length > 0
      ? fromBinary(GatewayBatchSchema, bytes)
      : { $typeName: 'stox.link.v1.GatewayBatch', outcomes: [], stanzas: [] },
  writeStanza(writer, stanza) {
    const start = writer.enter(STANZA)
    writer.uint32(varintTag(1), stanza.seq)
    writer.text(lengthTag(2), stanza.correlationId)
    writer.text(lengthTag(3), stanza.localDomain)
    writer.text(lengthTag(4), stanza.remoteDomain)
    writer.text(lengthTag(5), stanza.from)
    writer.text(lengthTag(6), stanza.to)
    writer.text(lengthTag(7), stanza.xml)
    writer.uint32(varintTag(8), stanza.expiresInMs)
    writer.leave(start)
  },
  readStanza(reader, last) {
    const outer = reader.enter()
    const stanza: wire.OutboundStanza = {
      $typeName: 'stox.link.v1.OutboundStanza',
      seq: 0,
      correlationId: '',
      localDomain: '',
      remoteDomain: '',
      from: '',
      to: '',
      xml: '',
      expiresInMs: 0,
    }
    for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
      if (tag === varintTag(1)) stanza.seq = reader.uint32()
      else if (tag === lengthTag(2)) stanza.correlationId = reader.text()
      else if (tag === lengthTag(3)) stanza.localDomain = reader.text(last?.localDomain)
      else if (tag === lengthTag(4)) stanza.remoteDomain = reader.text(last?.remoteDomain)
      else if (tag === lengthTag(5)) stanza.from = reader.text(last?.from)
      else if (tag === lengthTag(6)) stanza.to = reader.text(last?.to)
      else if (tag === lengthTag(7)) stanza.xml = reader.text()
      else if (tag === varintTag(8)) stanza.expiresInMs = reader.uint32()
      else reader.skip(tag)
    }
    reader.leave(outer)
    return stanza
  },
})

function writeCredit(writer: ProtoWriter, credit: wire.Credit): void {
  const start = writer.enter(CREDIT)
  writer.uint32(varintTag(1), credit.stanzas)
  writer.uint32(varintTag(2), credit.bytes)
  writer.leave(start)
}

function readCredit(reader: ProtoReader, earlier: wire.Credit | undefined): wire.Credit {
  const outer = reader.enter()
  const credit = earlier ?? { $typeName: 'stox.link.v1.Credit', stanzas: 0, bytes: 0 }
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === varintTag(1)) credit.stanzas = reader.uint32()
    else if (tag === varintTag(2)) credit.bytes = reader.uint32()
    else reader.skip(tag)
  }
  reader.leave(outer)
  return credit
}

/** Almost all are `delivered`. */
function writeOutcome(writer: ProtoWriter, outcome: wire.Outcome): void {
  const { end } = outcome
  const start = writer.enter(OUTCOME)
  if (end.case === 'delivered') {
    writer.uint32(varintTag(1), outcome.seq)
    writer.someUint32(varintTag(2), end.value)
  } else writer.raw(toBinary(OutcomeSchema, outcome))
  writer.leave(start)
}

function readOutcome(reader: ProtoReader): wire.Outcome {
  const outer = reader.enter()
  const at = reader.at
  let seq = 0
  let status: number | undefined
  let isPlain = true
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === varintTag(1)) seq = reader.uint32()
    else if (tag === varintTag(2)) status = reader.uint32()
    else {
      isPlain = false
      reader.skip(tag)
    }
  }
  const whole = isPlain ? undefined : reader.since(at)
  reader.leave(outer)
  if (whole !== undefined) return fromBinary(OutcomeSchema, whole)
  const end = status === undefined ? ({ case: undefined } as const) : ({ case: 'delivered', value: status } as const)
  return { $typeName: 'stox.link.v1.Outcome', seq, end }
}
