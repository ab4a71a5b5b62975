// Lines on stderr, in the form of the project's other programs: text, or one JSON object a line.

const LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'off']

export const LOG_LEVELS = LEVELS

export class Log {
  constructor ({ level = 'info', json = false, component = 'swarm', write = (line) => process.stderr.write(line) } = {}) {
    this.threshold = LEVELS.indexOf(level)
    this.json = json
    this.component = component
    this.write = write
  }

  debug (message) { this.#line('debug', message) }
  info (message) { this.#line('info', message) }
  warning (message) { this.#line('warning', message) }
  error (message) { this.#line('error', message) }

  #line (level, message) {
    if (LEVELS.indexOf(level) < this.threshold) return
    const time = new Date().toISOString()
    this.write(this.json
      ? JSON.stringify({ time, level, component: this.component, message }) + '\n'
      : `${time} ${level[0].toUpperCase()} ${this.component}: ${message}\n`)
  }
}
