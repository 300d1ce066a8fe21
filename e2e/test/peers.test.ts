import { selfSigned } from '../src/certificates.ts'
import { until } from '../src/heard.ts'
import { S2sPartner } from '../src/s2s-partner.ts'
import { headerOf, statusOf } from '../src/sip-text.ts'
import { PORTS, SIP_TCP, Stage } from '../src/stage.ts'
import { describeWithPeers } from '../src/with-peers.ts'

/** The instruments before the concert: every peer and player of the plays, without our pair between them. */
describeWithPeers('the peers by themselves', () => {
  let stage: Stage

  beforeAll(async () => {
    stage = await Stage.open('peers')
  })
  afterAll(() => stage.close())

  test('two Prosody servers and their users, dialback over TLS', async () => {
    const [here, there] = await Promise.all([
      stage.prosody({ users: ['juliet'] }),
      stage.prosody({ users: ['tybalt'], domain: 'xmpp2.example', address: stage.at.prosody2 }),
    ])
    const [juliet, tybalt] = await Promise.all([stage.xmppUser(here, 'juliet'), stage.xmppUser(there, 'tybalt')])
    juliet.message(tybalt.bare, 'a <b> & 😀\nnext')
    expect((await tybalt.hearsMessage('a <b> & 😀\nnext')).from).toBe(juliet.full)
    const error = await tybalt.hearsError(tybalt.message('nobody@xmpp.example', 'hello?'))
    expect(error.condition).toBe('service-unavailable')
    await here.stop()
    await there.stop()
  })

  test.each([
    ['dialback over TLS', '1.0', 'dialback'],
    ['dialback over TCP, from before XMPP 1.0', undefined, 'no-tls'],
  ] as const)('Prosody and the raw partner: %s', async (_name, version, mode) => {
    const prosody = await stage.prosody({ users: ['juliet'], mode })
    const domain = 'hostile.example'
    const tls = mode === 'no-tls' ? {} : { tls: await selfSigned(stage.dir, 'partner', [domain]) }
    const edge = { host: stage.at.prosody, port: PORTS.s2s }
    const partner = await new S2sPartner({
      domain,
      address: stage.at.partner,
      port: PORTS.s2s,
      edge,
      version,
      ...tls,
    }).start()
    try {
      const juliet = await stage.xmppUser(prosody, 'juliet')
      await partner.send(
        'xmpp.example',
        `<message from='m@${domain}' to='${juliet.bare}'><body>in &amp; out</body></message>`,
      )
      await juliet.hearsMessage('in & out')
      juliet.message(`m@${domain}`, 'out & in')
      await partner.heard.next('the answer', (stanza) => stanza.body === 'out & in')
    } finally {
      await partner.stop()
      await prosody.stop()
    }
  })

  test('Kamailio: registrar, messages over UDP and TCP, 404 and 480, presence with approval', async () => {
    const kamailio = await stage.kamailio({ forceActive: false })
    const [romeo, paris] = await Promise.all([stage.sipUser('romeo'), stage.sipUser('paris', SIP_TCP)])
    expect(statusOf(await romeo.message(paris.aor, 'hello'))).toBe(200)
    expect(headerOf((await paris.hears('hello')).text, 'via')).toMatch(/TCP/)
    expect(statusOf(await paris.message('sip:nouser@sip.example', 'hello'))).toBe(404)
    expect(statusOf(await paris.message('sip:offline@sip.example', 'hello'))).toBe(480)

    const watch = await paris.watch(romeo.aor)
    await watch.notified('pending', (one) => one.state === 'pending')
    await until('the pending row', () =>
      kamailio.watchers('romeo').some((row) => row.watcher === 'paris@tcp.example' && row.status === 2),
    )
    await romeo.publish({ basic: 'open', note: 'here' })
    await kamailio.rule('romeo', paris.aor, 'allow')
    await watch.notified('available', (one) => one.state === 'active' && one.note === 'here')
    await romeo.publish({ basic: 'open', activity: 'away' })
    await watch.notified('away', (one) => one.activity === 'away')
    await kamailio.rule('romeo', paris.aor, 'block')
    await watch.notified('the refusal', (one) => one.state === 'terminated' && one.reason === 'rejected')
  })
})
