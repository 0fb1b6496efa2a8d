import { Argument } from 'commander';
import type { Register } from '../register.ts';

/** `pgherd completion SHELL`: a script that asks `pgherd __complete` what could come next. */
export const completion: Register = (program, world) => {
  program
    .command('completion')
    .description('print the completion script of a shell')
    .addArgument(new Argument('<shell>').choices(Object.keys(scripts)))
    .addHelpText(
      'after',
      `
Ids are completed too, when PGHERD_ETCD is set.

Examples:
  $ pgherd completion bash > /etc/bash_completion.d/pgherd
  $ source <(pgherd completion zsh)
  $ source <(pgherd completion bash)`,
    )
    .action((shell: keyof typeof scripts) => world.stdout.write(scripts[shell]));
};

const scripts = {
  bash: `_pgherd() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(pgherd __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _pgherd pgherd
`,
  zsh: `#compdef pgherd
_pgherd() {
  local -a found
  found=("\${(@f)$(pgherd __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _pgherd pgherd
`,
} as const;
