import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LinkTls } from '@stox/transport'

const openssl = (...args: readonly string[]): void => {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** An inside CA of a test: signs a certificate for any names. */
export class TestCa {
  readonly #directory = mkdtempSync(join(tmpdir(), 'stox-link-ca-'))
  readonly #ca: string
  #count = 0

  constructor() {
    const at = (name: string): string => join(this.#directory, name)
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', at('ca.key'))
    openssl(
      'req',
      '-x509',
      '-new',
      '-key',
      at('ca.key'),
      '-subj',
      '/CN=test inside CA',
      '-days',
      '2',
      '-out',
      at('ca.crt'),
    )
    this.#ca = readFileSync(at('ca.crt'), 'utf8')
  }

  /** `names`: as in a subject alternative name, `DNS:x` or `IP:x`. */
  issue(...names: readonly string[]): LinkTls {
    const at = (ending: string): string => join(this.#directory, `leaf-${this.#count}.${ending}`)
    this.#count += 1
    writeFileSync(at('ext'), `subjectAltName=${names.join(',')}\n`)
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', at('key'))
    openssl('req', '-new', '-key', at('key'), '-subj', '/CN=test leaf', '-out', at('csr'))
    const ca = ['-CA', join(this.#directory, 'ca.crt'), '-CAkey', join(this.#directory, 'ca.key'), '-CAcreateserial']
    openssl('x509', '-req', '-in', at('csr'), ...ca, '-days', '2', '-extfile', at('ext'), '-out', at('crt'))
    return { cert: readFileSync(at('crt'), 'utf8'), key: readFileSync(at('key'), 'utf8'), ca: this.#ca }
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
