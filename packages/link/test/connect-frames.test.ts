import { concatBytes, utf8Bytes } from '@stox/kernel'
import { FrameReader, endFrame } from '@stox/link'
import fc from 'fast-check'

const frame = (flags: number, message: Uint8Array): Uint8Array =>
  concatBytes([Uint8Array.of(flags, 0, 0, message.length >> 8, message.length & 0xff), message])

test('whatever the pieces, the frames are the same', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 }),
      fc.array(fc.nat(400), { maxLength: 12 }),
      (messages, cuts) => {
        const whole = concatBytes([...messages.map((message) => frame(0, message)), endFrame()])
        const reader = new FrameReader(300)
        const seen: unknown[] = []
        let at = 0
        for (const cut of [...cuts, whole.length]) {
          const read = reader.push(whole.subarray(at, at + cut))
          if (!read.ok) throw new Error(read.failure)
          seen.push(...read.value.map((one) => (one.kind === 'message' ? [...one.message] : one)))
          at = Math.min(whole.length, at + cut)
        }
        expect(seen).toEqual([...messages.map((message) => [...message]), { kind: 'end', problem: undefined }])
      },
    ),
    { seed: 20261123 },
  )
})

test.each([
  ['too long', Uint8Array.of(0, 0, 0, 1, 1), 'a message of 257 bytes, where 256 are allowed'],
  [
    'of four gigabytes',
    Uint8Array.of(0, 0xff, 0xff, 0xff, 0xff),
    'a message of 4294967295 bytes, where 256 are allowed',
  ],
  ['compressed', frame(1, utf8Bytes('x')), 'a compressed message, which nobody asked for'],
  ['with flags nobody knows', frame(4, utf8Bytes('x')), 'a frame with the flags 4'],
])('a frame %s is refused at its head', (_case, bytes, failure) => {
  expect(new FrameReader(256).push(bytes)).toEqual({ ok: false, failure })
})

test.each([
  ['without an error', '{}', undefined],
  ['with metadata alone', '{"metadata":{"a":["b"]}}', undefined],
  ['with a sentence', '{"error":{"code":"permission_denied","message":"not you"}}', 'not you'],
  ['with a code alone', '{"error":{"code":"unavailable"}}', 'unavailable'],
  ['with nonsense for an error', '{"error":1}', 'an error without a name'],
  ['that is no JSON', '<html>', 'an end that cannot be read: <html>'],
])('an end %s', (_case, json, problem) => {
  expect(new FrameReader(256).push(frame(2, utf8Bytes(json)))).toEqual({ ok: true, value: [{ kind: 'end', problem }] })
})
