import type { SipRequest } from '@stox/sip'
import { dialogFromRequest, dialogKey, dialogKeyOf, receiveInDialog, requestInDialog } from '../src/dialog.ts'
import type { Dialog } from '../src/dialog.ts'
import { fromRomeo } from './sip-values.ts'

const contact = ['Contact', '<sip:romeo@192.0.2.2:5062;transport=tcp>'] as const

function dialogOf(request: SipRequest): Dialog {
  const dialog = dialogFromRequest(request, 'juliet-tag', 7)
  if (!dialog.ok) throw new Error(dialog.failure.detail)
  return dialog.value
}

describe('RFC 3261 §12.1.1', () => {
  const routed = fromRomeo('SUBSCRIBE', {
    cseq: 5,
    headers: [
      contact,
      ['Record-Route', '<sip:p2.example;lr>, <sip:p1.example;lr;x=1>'],
      ['Record-Route', '<sip:p0.example;lr;ms-route-sig=aB%3d>'],
    ],
  })

  test('remote target from Contact, route set in order, both tags, both CSeqs', () => {
    expect(dialogOf(routed)).toEqual({
      callId: 'call-1',
      localTag: 'juliet-tag',
      remoteTag: 'romeo-tag',
      local: '<sip:juliet@capulet.example>',
      remote: '<sip:romeo@montague.example>',
      remoteTarget: 'sip:romeo@192.0.2.2:5062;transport=tcp',
      routeSet: ['<sip:p2.example;lr>', '<sip:p1.example;lr;x=1>', '<sip:p0.example;lr;ms-route-sig=aB%3d>'],
      localCSeq: 7,
      remoteCSeq: 5,
    })
  })

  test('is plain JSON', () => expect(JSON.parse(JSON.stringify(dialogOf(routed)))).toEqual(dialogOf(routed)))

  test('no Contact: no dialog', () => {
    expect(dialogFromRequest(fromRomeo('SUBSCRIBE'), 'x', 1)).toMatchObject({ ok: false, failure: { status: 400 } })
  })
})

describe('RFC 3261 §12.2.1.1', () => {
  test.each<[string, string[], string, string[], string]>([
    ['no route', [], 'sip:romeo@192.0.2.2:5062;transport=tcp', [], 'sip:romeo@192.0.2.2:5062;transport=tcp'],
    [
      'loose',
      ['<sip:p1.example;lr>', '<sip:p2.example;lr>'],
      'sip:romeo@192.0.2.2:5062;transport=tcp',
      ['<sip:p1.example;lr>', '<sip:p2.example;lr>'],
      'sip:p1.example;lr',
    ],
    [
      'strict',
      ['<sip:p1.example;method=INVITE?x=y>', '<sip:p2.example;lr>'],
      'sip:p1.example',
      ['<sip:p2.example;lr>', '<sip:romeo@192.0.2.2:5062;transport=tcp>'],
      'sip:p1.example',
    ],
  ])('%s', (_row, recorded, uri, routes, nextHop) => {
    const dialog = dialogOf(
      fromRomeo('SUBSCRIBE', { headers: [contact, ...recorded.map((route) => ['Record-Route', route] as const)] }),
    )
    const { outgoing, dialog: next } = requestInDialog(dialog, 'NOTIFY', { headers: [['Event', 'presence']] })
    expect([outgoing.request.uri, outgoing.request.headers.all('Route'), outgoing.nextHop]).toEqual([
      uri,
      routes,
      nextHop,
    ])
    expect(outgoing.request.core).toMatchObject({ callId: 'call-1', cseq: { number: 8, method: 'NOTIFY' } })
    expect(outgoing.request.headers.get('From')).toBe('<sip:juliet@capulet.example>;tag=juliet-tag')
    expect(outgoing.request.headers.get('To')).toBe('<sip:romeo@montague.example>;tag=romeo-tag')
    expect(next.localCSeq).toBe(8)
  })
})

describe('RFC 3261 §12.2.2', () => {
  const dialog = dialogOf(fromRomeo('SUBSCRIBE', { cseq: 5, headers: [contact] }))

  test.each<[string, SipRequest, number]>([
    ['lower CSeq', fromRomeo('SUBSCRIBE', { cseq: 4, toTag: 'juliet-tag' }), 500],
    ['tags are case-sensitive', fromRomeo('SUBSCRIBE', { cseq: 6, toTag: 'JULIET-TAG' }), 481],
    ['another remote tag', fromRomeo('SUBSCRIBE', { cseq: 6, toTag: 'juliet-tag', fromTag: 'fork' }), 481],
    ['another Call-ID', fromRomeo('SUBSCRIBE', { cseq: 6, toTag: 'juliet-tag', callId: 'other' }), 481],
    ['no To tag', fromRomeo('SUBSCRIBE', { cseq: 6 }), 481],
  ])('%s', (_row, request, status) => {
    expect(receiveInDialog(dialog, request)).toMatchObject({ ok: false, failure: { status } })
  })

  test('gaps are fine, and the target is refreshed, the route set is not', () => {
    const moved = [
      ['Contact', '<sip:romeo@192.0.2.9>'],
      ['Record-Route', '<sip:new.example;lr>'],
    ] as const
    expect(receiveInDialog(dialog, fromRomeo('SUBSCRIBE', { cseq: 99, toTag: 'juliet-tag', headers: moved }))).toEqual({
      ok: true,
      value: { ...dialog, remoteCSeq: 99, remoteTarget: 'sip:romeo@192.0.2.9' },
    })
  })
})

test('the key of a dialog is found in what comes for it', () => {
  expect(dialogKeyOf(fromRomeo('NOTIFY', { toTag: 'x' }))).toBe(dialogKey('call-1', 'x'))
  expect(dialogKeyOf(fromRomeo('NOTIFY'))).toBeUndefined()
})
