/** The hidden command that the shells ask; `docs/cli.md` does not name it. */
export const COMPLETE_COMMAND = "__complete";
/** A line of its answer that is no candidate: the shell adds names of files. */
export const FILES_LINE = ":files";

const BASH = `# bash completion of mesh: mesh completion bash > /etc/bash_completion.d/mesh
_mesh() {
  local line word
  COMPREPLY=()
  while IFS= read -r line; do
    if [ "$line" = ${FILES_LINE} ]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")
      continue
    fi
    word=\${line%%$'\\t'*}
    # bash completes what follows the last = alone.
    COMPREPLY+=("\${word#--*=}")
  done < <("\${COMP_WORDS[0]}" ${COMPLETE_COMMAND} -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _mesh mesh
`;

const ZSH = `#compdef mesh
# zsh completion of mesh: mesh completion zsh > /usr/local/share/zsh/site-functions/_mesh
_mesh() {
  local line files= tab=$'\\t'
  local -a found
  while IFS= read -r line; do
    if [[ $line == ${FILES_LINE} ]]; then files=1; continue; fi
    found+=("\${\${line%%$tab*}//:/\\\\:}:\${line#*$tab}")
  done < <("\${words[1]}" ${COMPLETE_COMMAND} -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( \${#found} )) && _describe mesh found
  [[ -n $files ]] && _files
}
if [ "\${funcstack[1]}" = _mesh ]; then _mesh "$@"; else compdef _mesh mesh; fi
`;

const FISH = `# fish completion of mesh: mesh completion fish > ~/.config/fish/completions/mesh.fish
function __mesh_complete
    set -l tokens (commandline -opc) (commandline -ct)
    for line in ($tokens[1] ${COMPLETE_COMMAND} -- $tokens[2..-1] 2>/dev/null)
        if test "$line" = ${FILES_LINE}
            __fish_complete_path (commandline -ct)
        else
            printf '%s\\n' $line
        end
    end
end
complete -c mesh -f -a '(__mesh_complete)'
`;

/** What has a shell ask `mesh` itself, so that it knows the commands of the version that is installed. */
export const COMPLETION_SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
