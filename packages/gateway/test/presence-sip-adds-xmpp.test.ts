import { lossyUtf8Text } from '@stox/kernel'
import { bounceWith, respondTo, settle } from './stage.ts'
import {
  ROMEO,
  JULIET,
  keeperOn,
  world,
  xmpp,
  heard,
  asked,
  inShort,
  wait,
  subscribeRequest,
  sipAsks,
  sipSubscribe,
  julietWatches,
  within,
} from './presence-world.ts'

describe('a SIP user watches an XMPP user', () => {
  test('D.3: pending, approved, available, away with a status, busy, offline, removed [8048-4.1.2 8048-4.2.stanza 8048-4.2.id 8048-4.2.from 8048-4.2.to 8048-4.2.type 8048-5.3.1 8048-5.3.3 8048-6.1 8048-6.5]', async () => {
    const at = world()
    const response = await sipSubscribe(at)
    expect(response.status).toBe(200)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY pending'])
    expect(heard(at)).toEqual([`subscribe ${JULIET} > ${ROMEO}`])

    // Prosody acknowledges the request: no approval. @see mapping D.15
    await xmpp(at, "type='unavailable'")
    expect(asked(at)).toEqual([])

    await xmpp(at, "type='subscribed'")
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active'])
    await xmpp(at, '', '', `${ROMEO}/orchard`)
    await wait(at, 5000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open'])

    await xmpp(at, '', '<show>away</show><status>Under the balcony</status>', `${ROMEO}/orchard`)
    await wait(at, 5000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open:away:"Under the balcony"'])

    await xmpp(at, '', '<show>dnd</show>', `${ROMEO}/orchard`)
    await wait(at, 5000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open:dnd'])

    await xmpp(at, "type='unavailable'", '', `${ROMEO}/orchard`)
    await wait(at, 5000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:closed'])
    heard(at)

    expect((await sipAsks(at, within(response, 0))).status).toBe(200)
    expect(asked(at).map(inShort)).toEqual([expect.stringMatching(/^NOTIFY terminated;reason=timeout .*closed$/)])
    expect(heard(at)).toEqual([`unavailable ${JULIET} > ${ROMEO}`])
    const record = await at.stage.store.subscriptions.get(`sip-watches-xmpp|${JULIET}|${ROMEO}`)
    expect(record).toMatchObject({ authorization: 'active', state: 'idle' })
  })

  test('D.3: refusal [8048-5.3.4]', async () => {
    const at = world()
    await sipSubscribe(at)
    asked(at)
    await xmpp(at, "type='unsubscribed'")
    expect(asked(at).map(inShort)).toEqual(['NOTIFY terminated;reason=rejected'])
    expect((await sipSubscribe(at)).status).toBe(403)
    // Remembered for an hour.
    await wait(at, 3_600_500)
    expect((await sipSubscribe(at)).status).toBe(200)
  })

  test.each([
    ['Prosody', ["type='unsubscribed'", "type='unavailable'"]],
    ['ejabberd', ["type='unavailable'", "type='unsubscribed'"]],
  ])('D.15: taken back in the order of %s', async (_server, order) => {
    const at = world()
    await julietWatches(at)
    asked(at)
    for (const attributes of order)
      await xmpp(at, attributes, '', attributes.includes('unavailable') ? `${ROMEO}/orchard` : ROMEO)
    await wait(at, 6000)
    expect(asked(at).map(inShort).at(-1)).toBe('NOTIFY terminated;reason=rejected')
  })

  test('D.3: who is authorized already is asked nothing [8048-5.3.8]', async () => {
    const at = world()
    await julietWatches(at)
    heard(at)
    asked(at)
    expect((await sipSubscribe(at)).status).toBe(200)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open'])
    expect(heard(at)).toEqual([])
  })

  test('D.3: a refresh within the dialog [8048-5.3.5]', async () => {
    const at = world()
    const response = await julietWatches(at)
    heard(at)
    asked(at)
    await wait(at, 301_000)
    expect((await sipAsks(at, within(response, 3600))).status).toBe(200)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open'])
    expect(heard(at)).toEqual([`probe ${JULIET} > ${ROMEO}`])
    // ejabberd says nothing for a user who is offline. @see mapping D.15
    await wait(at, 31_000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:closed'])
  })

  test('D.3: not refreshed [8048-5.3.6 8048-5.3.7]', async () => {
    const at = world()
    await julietWatches(at)
    heard(at)
    asked(at)
    await wait(at, 3_601_000)
    expect(asked(at).map(inShort).at(-1)).toMatch(/^NOTIFY terminated;reason=timeout/)
    expect(heard(at)).toContain(`unavailable ${JULIET} > ${ROMEO}`)
  })

  test('D.3: several resources in one document, and coalescing [8048-6.2]', async () => {
    const at = world()
    await julietWatches(at)
    asked(at)
    await wait(at, 5000)
    await xmpp(at, '', '<show>dnd</show>', `${ROMEO}/phone`)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open ID-phone:open:dnd'])
    await xmpp(at, '', '<show>xa</show>', `${ROMEO}/phone`)
    await xmpp(at, '', '<show>away</show>', `${ROMEO}/phone`)
    await xmpp(at, "type='unavailable'", '', `${ROMEO}/orchard`)
    expect(asked(at)).toEqual([])
    await wait(at, 5000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-phone:open:away ID-orchard:closed'])
  })

  test.each([
    ['item-not-found', 'cancel', 'noresource'],
    ['remote-server-not-found', 'cancel', 'noresource'],
    ['remote-server-timeout', 'wait', 'probation;retry-after=300'],
    ['forbidden', 'auth', 'rejected'],
  ])('D.3: the request comes back as %s', async (condition, type, reason) => {
    const at = world()
    await sipSubscribe(at)
    asked(at)
    const id = at.stage.link.sent[0]?.stanzaXml.match(/id=["']([^"']+)/)?.[1] ?? ''
    await xmpp(
      at,
      `type='error' id='${id}'`,
      `<error type='${type}'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`,
    )
    expect(asked(at).map(inShort)).toEqual([`NOTIFY terminated;reason=${reason}`])
  })

  test('our own half of the road is broken: the request is sent again until it leaves', async () => {
    const at = world()
    at.stage.link.outcome = bounceWith({})
    await sipSubscribe(at)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY pending'])
    expect(heard(at)).toHaveLength(1)
    at.stage.link.outcome = { kind: 'delivered', status: 200 }
    await wait(at, 31_000)
    expect(heard(at)).toEqual([`subscribe ${JULIET} > ${ROMEO}`])
    await wait(at, 120_000)
    expect(heard(at)).toEqual([])
    expect(asked(at)).toEqual([])
  })

  test('a domain that may not be spoken to is refused at once [6665-4.2.1.3.1 8048-8.2]', async () => {
    const at = world()
    expect(
      (await sipAsks(at, subscribeRequest(3600, { uri: 'sip:x@stranger.example', to: '<sip:x@stranger.example>' })))
        .status,
    ).toBe(403)
    expect((await sipAsks(at, subscribeRequest(3600, { from: '<sip:x@elsewhere.example>' }))).status).toBe(403)
    expect(heard(at)).toEqual([])
  })

  test.each([
    ['another event package', subscribeRequest(3600, { event: 'dialog' }), 489],
    ['a dialog that is not', subscribeRequest(3600, { to: `<sip:${ROMEO}>;tag=gone` }), 481],
    ['sips', subscribeRequest(3600, { uri: 'sips:romeo@montague.example' }), 480],
  ])('D.5: %s', async (_case, request, status) => {
    const at = world()
    expect((await sipAsks(at, request)).status).toBe(status)
    expect(await at.stage.store.subscriptions.get(`sip-watches-xmpp|${JULIET}|${ROMEO}`)).toBeUndefined()
  })

  test('RFC 8048 §7.2: a poll [8048-7.2]', async () => {
    const at = world()
    expect((await sipSubscribe(at, 0)).status).toBe(200)
    expect(heard(at)).toEqual([`probe ${JULIET} > ${ROMEO}`])
    await xmpp(at, '', '<show>away</show>', `${ROMEO}/orchard`)
    await wait(at, 3000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY terminated;reason=timeout ID-orchard:open:away'])
    expect(await at.stage.store.subscriptions.get(`sip-watches-xmpp|${JULIET}|${ROMEO}`)).toBeUndefined()
  })

  test('RFC 8048 §7.2: a poll that nobody answers says nothing, within two seconds', async () => {
    const at = world()
    await sipSubscribe(at, 0)
    await wait(at, 2500)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY terminated;reason=timeout'])
  })

  test('D.10: after kill -9 contacts are probed and each dialog gets one NOTIFY', async () => {
    const at = world()
    const response = await julietWatches(at)
    heard(at)
    asked(at)
    at.keeper.close()
    at.keeper = keeperOn(at.stage)
    await at.keeper.load()
    at.keeper.start()
    await wait(at, 100)
    expect(heard(at)).toEqual([`probe ${JULIET} > ${ROMEO}`])
    await xmpp(at, '', '<show>dnd</show>', `${ROMEO}/phone`)
    await wait(at, 8000)
    const [first, ...others] = asked(at)
    expect(first === undefined ? '' : inShort(first)).toBe('NOTIFY active ID-phone:open:dnd ID-orchard:closed')
    expect(first?.core.callId).toBe(response.core.callId)
    expect(others).toEqual([])
    // And the watcher can go on with the dialog.
    expect((await sipAsks(at, within(response, 3600))).status).toBe(200)
  })

  test('D.10: after kill -9 while the contact has not decided yet', async () => {
    const at = world()
    await sipSubscribe(at)
    heard(at)
    asked(at)
    at.keeper.close()
    at.keeper = keeperOn(at.stage)
    await at.keeper.load()
    at.keeper.start()
    await wait(at, 3000)
    // He is not asked again.
    expect(heard(at)).toEqual([])
    expect(asked(at).map(inShort)).toEqual(['NOTIFY pending'])
    await xmpp(at, "type='subscribed'")
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active'])
  })

  test('what is no longer known is shown as unavailable: no road for five minutes', async () => {
    const at = world()
    await julietWatches(at)
    heard(at)
    asked(at)
    at.stage.link.outcome = bounceWith({})
    at.keeper.edgeAttached()
    await wait(at, 290_000)
    expect(asked(at)).toEqual([])
    await wait(at, 60_000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:closed'])
    at.stage.link.outcome = { kind: 'delivered', status: 200 }
    at.keeper.streamUp('montague.example')
    await wait(at, 1000)
    await xmpp(at, '', '', `${ROMEO}/orchard`)
    await wait(at, 6000)
    expect(asked(at).map(inShort)).toEqual(['NOTIFY active ID-orchard:open'])
  })

  test('a watcher that is gone', async () => {
    const at = world()
    at.stage.sip.answer = (request) => respondTo(request, 481)
    await sipSubscribe(at)
    await settle()
    const record = await at.stage.store.subscriptions.get(`sip-watches-xmpp|${JULIET}|${ROMEO}`)
    expect(record).toMatchObject({ authorization: 'pending', state: 'idle' })
  })

  test('an administrator removes it: the agreement is given back', async () => {
    const at = world()
    await julietWatches(at)
    heard(at)
    asked(at)
    expect(await at.keeper.remove(`sip-watches-xmpp|${JULIET}|${ROMEO}`)).toBe(true)
    await settle()
    expect(heard(at)).toEqual([`unsubscribe ${JULIET} > ${ROMEO}`])
    expect(asked(at).map(inShort)).toEqual(['NOTIFY terminated;reason=rejected'])
    expect(await at.stage.store.subscriptions.get(`sip-watches-xmpp|${JULIET}|${ROMEO}`)).toBeUndefined()
  })

  test('what the document looks like', async () => {
    const at = world()
    await sipSubscribe(at)
    await xmpp(at, "type='subscribed'")
    await xmpp(at, '', '<show>away</show><priority>1</priority>', `${ROMEO}/orchard`)
    await wait(at, 6000)
    const text = lossyUtf8Text(asked(at).at(-1)?.body ?? new Uint8Array())
    expect(text).toContain(`pres:${ROMEO}`)
    expect(text).toContain('>sip:romeo@montague.example;gr=orchard</contact>')
  })
})
