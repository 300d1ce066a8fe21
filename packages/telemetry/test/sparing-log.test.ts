import { silentLog, VirtualTime, type LogFields } from '@stox/kernel'
import { sparingLog } from '../src/sparing-log.ts'

test('of one event and kind so many a second are written, and the next one counts the rest', () => {
  const time = new VirtualTime()
  const written: (LogFields | undefined)[] = []
  const log = sparingLog({ ...silentLog, warn: (_event, fields) => void written.push(fields) }, time, 2)
  const refuse = (kind: string) => log.warn('refused', { kind })

  for (let round = 0; round < 5; round += 1) refuse('flood')
  refuse('other')
  expect(written).toEqual([{ kind: 'flood' }, { kind: 'flood' }, { kind: 'other' }])

  time.advance(1000)
  refuse('flood')
  refuse('flood')
  refuse('other')
  expect(written.slice(3)).toEqual([{ kind: 'flood', leftOut: 3 }, { kind: 'flood' }, { kind: 'other' }])
})

test('what is said of a partner has its own number', () => {
  const written: (LogFields | undefined)[] = []
  const log = sparingLog({ ...silentLog, warn: (_event, fields) => void written.push(fields) }, new VirtualTime(), 1)
  for (let round = 0; round < 5; round += 1) log.warn('stream-failed', { partner: undefined })
  log.warn('stream-failed', { partner: 'montague.example' })
  expect(written).toEqual([{ partner: undefined }, { partner: 'montague.example' }])
})
