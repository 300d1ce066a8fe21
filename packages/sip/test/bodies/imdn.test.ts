import * as fc from 'fast-check'
import {
  IMDN_STATUSES,
  formatDispositionNotification,
  formatImdn,
  parseDispositionNotification,
  parseImdn,
} from '../../src/index.ts'
import type { Imdn, ImdnDisposition, ImdnNotification } from '../../src/index.ts'

const NS = "xmlns='urn:ietf:params:xml:ns:imdn'"
const HEAD = '<message-id>34jk324j</message-id><datetime>2008-04-04T12:16:49-05:00</datetime>'

test('RFC 5438 §9.1: a delivery notification', () => {
  const document = `<?xml version="1.0" encoding="UTF-8"?>
    <imdn xmlns="urn:ietf:params:xml:ns:imdn">
      <message-id>34jk324j</message-id>
      <datetime>2008-04-04T12:16:49-05:00</datetime>
      <recipient-uri>im:bob@example.com</recipient-uri>
      <original-recipient-uri>im:bob@example.com</original-recipient-uri>
      <delivery-notification>
        <status>
          <delivered/>
        </status>
      </delivery-notification>
    </imdn>`
  expect(parseImdn(document)).toEqual({
    ok: true,
    value: {
      messageId: '34jk324j',
      dateTime: '2008-04-04T12:16:49-05:00',
      recipientUri: 'im:bob@example.com',
      originalRecipientUri: 'im:bob@example.com',
      notification: { disposition: 'delivery', status: 'delivered' },
    },
  })
})

const all = (Object.keys(IMDN_STATUSES) as ImdnDisposition[]).flatMap((disposition) =>
  IMDN_STATUSES[disposition].map((status) => ({ disposition, status }) as ImdnNotification),
)
test.each(all)('RFC 5438 §7.2.1 $disposition: $status goes out and comes back', (notification) => {
  const value: Imdn = { messageId: '34jk324j', dateTime: '2008-04-04T12:16:49-05:00', notification }
  const { disposition, status } = notification
  const text = formatImdn(value)
  expect(text.split('\n')[1]).toBe(
    `<imdn ${NS}>${HEAD}<${disposition}-notification><status><${status}/></status></${disposition}-notification></imdn>`,
  )
  expect(parseImdn(text)).toEqual({ ok: true, value })
})

test('RFC 5438 §7.2.1: there are eleven', () => expect(all).toHaveLength(11))

test('RFC 5438 §11.1: extensions beside what we know [5438-11.1.2]', () => {
  const document = `<imdn ${NS}>${HEAD}<x xmlns='urn:x'/><display-notification><status><displayed/><note
    xmlns='urn:x'>hm</note></status></display-notification></imdn>`
  expect(parseImdn(document)).toMatchObject({
    value: { notification: { disposition: 'display', status: 'displayed' } },
  })
})

const delivered = '<delivery-notification><status><delivered/></status></delivery-notification>'
test.each([
  ['no message-id', `<imdn ${NS}><datetime>x</datetime>${delivered}</imdn>`],
  ['no datetime', `<imdn ${NS}><message-id>x</message-id>${delivered}</imdn>`],
  ['no notification', `<imdn ${NS}>${HEAD}</imdn>`],
  ['two notifications', `<imdn ${NS}>${HEAD}${delivered}${delivered}</imdn>`],
  [
    'an unknown notification',
    `<imdn ${NS}>${HEAD}<x-notification><status><delivered/></status></x-notification></imdn>`,
  ],
  [
    'a name every object has',
    `<imdn ${NS}>${HEAD}<valueOf-notification><status><x/></status></valueOf-notification></imdn>`,
  ],
  ['no status', `<imdn ${NS}>${HEAD}<delivery-notification/></imdn>`],
  ['an empty status', `<imdn ${NS}>${HEAD}<delivery-notification><status/></delivery-notification></imdn>`],
  [
    'a status of another',
    `<imdn ${NS}>${HEAD}<delivery-notification><status><displayed/></status></delivery-notification></imdn>`,
  ],
  [
    'two statuses',
    `<imdn ${NS}>${HEAD}<delivery-notification><status><delivered/><failed/></status></delivery-notification></imdn>`,
  ],
  ['another root', `<mdn ${NS}>${HEAD}${delivered}</mdn>`],
  ['another namespace', `<imdn xmlns='urn:x'>${HEAD}${delivered}</imdn>`],
  ['a DTD', `<!DOCTYPE imdn [<!ENTITY a "b">]><imdn ${NS}>${HEAD}${delivered}</imdn>`],
  ['nothing', ''],
])('RFC 5438 §11.1 refused: %s [5438-11.1.1]', (_name, document) => {
  expect(parseImdn(document)).toMatchObject({ ok: false, failure: { kind: 'imdn' } })
})

test('what is written is read again', () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab<&>"\'é🌹'), minLength: 1, maxLength: 8 })
  const made = fc.record(
    {
      messageId: text,
      dateTime: fc.constant('2026-01-01T00:00:00Z'),
      recipientUri: text,
      originalRecipientUri: text,
      subject: text,
      notification: fc.constantFrom(...all),
    },
    { requiredKeys: ['messageId', 'dateTime', 'notification'] },
  )
  fc.assert(
    fc.property(made, (value) => expect(parseImdn(formatImdn(value))).toEqual({ ok: true, value })),
    { seed: 5438, numRuns: 200 },
  )
})

test.each([
  ['one', 'positive-delivery', ['positive-delivery']],
  ['several', 'positive-delivery, negative-delivery,display', ['positive-delivery', 'negative-delivery', 'display']],
  ['unknown ones and parameters', 'later, processing;x=y', ['processing']],
  ['none', '', []],
])('RFC 5438 §6.3 Disposition-Notification: %s', (_name, value, requests) => {
  expect(parseDispositionNotification(value)).toEqual(requests)
})
test('RFC 5438 §6.3: as it is written', () => {
  expect(formatDispositionNotification(['positive-delivery', 'display'])).toBe('positive-delivery, display')
})
