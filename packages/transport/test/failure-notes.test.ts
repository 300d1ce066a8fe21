import type { Log, LogFields } from '@stox/kernel'
import { VirtualTime, silentLog } from '@stox/kernel'
import type { StreamFailure } from '@stox/xmpp-engine'
import { FailureNotes } from '../src/failure-notes.ts'
import type { FailedStream } from '../src/xmpp-endpoint-types.ts'

const STREAM: FailedStream = {
  direction: 'out',
  partner: 'montague.example',
  local: 'capulet.example',
  remote: 'montague.example',
  remoteAddress: '192.0.2.1',
  remotePort: 5269,
  wasEstablished: false,
}
const STRANGER: FailedStream = { ...STREAM, direction: 'in', partner: undefined, remote: undefined }
const REFUSED: StreamFailure = { kind: 'unreachable', reason: 'connection-refused', detail: 'ECONNREFUSED' }
const LOST: StreamFailure = { kind: 'closed', reason: 'connection-lost', detail: 'ECONNRESET' }

function stage() {
  const time = new VirtualTime()
  const lines: (LogFields | undefined)[] = []
  const log: Log = { ...silentLog, warn: (_event, fields) => void lines.push(fields) }
  const notes = new FailureNotes(time, time, log)
  return { time, lines, notes }
}

test('a failure is one record and one line, with all that an administrator needs', () => {
  const { notes, lines, time } = stage()
  notes.note(STREAM, REFUSED)
  expect(notes.all).toEqual([
    {
      ...STREAM,
      id: '1',
      kind: 'unreachable',
      stage: 'tcp',
      reason: 'connection-refused',
      sentence: 'The connection to the XMPP server of montague.example was refused: nothing listens there',
      advice: expect.stringContaining('whether the server runs'),
      detail: 'ECONNREFUSED',
      firstAtMs: time.wallMs(),
      lastAtMs: time.wallMs(),
      times: 1,
    },
  ])
  expect(lines).toEqual([
    expect.objectContaining({
      partner: 'montague.example',
      stage: 'tcp',
      remoteAddress: '192.0.2.1',
      remotePort: 5269,
    }),
  ])
})

test('a storm is one record that counts, and one line every five minutes with how many', () => {
  const { notes, lines, time } = stage()
  const startedMs = time.wallMs()
  for (let count = 0; count < 700; count += 1) {
    notes.note(STREAM, REFUSED)
    time.advance(1_000)
  }
  expect(notes.all).toMatchObject([{ times: 700, firstAtMs: startedMs, lastAtMs: startedMs + 699_000 }])
  expect(lines.map((fields) => fields?.['times'])).toEqual([undefined, 299, 300])
  time.advance(300_000)
  expect(lines.map((fields) => fields?.['inAll'])).toEqual([undefined, 300, 600, 700])
  time.advance(3_600_000)
  expect(lines).toHaveLength(4)
  expect(time.armed).toBe(0)
})

test('another reason, another direction and another partner are others', () => {
  const { notes, lines } = stage()
  notes.note(STREAM, REFUSED)
  notes.note(STREAM, LOST)
  notes.note({ ...STREAM, direction: 'in' }, LOST)
  notes.note({ ...STREAM, partner: 'other.example' }, LOST)
  notes.note({ ...STREAM, local: 'another of ours' }, LOST)
  expect(notes.all.map(({ times }) => times).toSorted()).toEqual([1, 1, 1, 2])
  expect(lines).toHaveLength(4)
})

test('strangers from everywhere drive out nothing about a partner', () => {
  const { notes, time } = stage()
  notes.note(STREAM, REFUSED)
  for (let count = 0; count < 5_000; count += 1) {
    notes.note({ ...STRANGER, remoteAddress: `192.0.${count >> 8}.${count & 255}` }, LOST)
  }
  expect(notes.all.filter(({ partner }) => partner === 'montague.example')).toHaveLength(1)
  expect(notes.all).toHaveLength(101)
  expect(time.armed).toBe(101)
  notes.close()
  expect(time.armed).toBe(0)
})

test('of partners too only so many are kept, the latest', () => {
  const { notes } = stage()
  for (let count = 0; count < 300; count += 1) notes.note({ ...STREAM, partner: `p${count}.example` }, LOST)
  expect(notes.all).toHaveLength(200)
  expect(notes.all.at(-1)?.partner).toBe('p299.example')
})
