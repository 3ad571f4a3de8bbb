# bash completion for spoorctl

_spoorctl()
{
    local cur prev verb='' i
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            run | show | report | deliver | config | sessions | doctor)
                verb=${COMP_WORDS[i]}
                break
                ;;
        esac
    done

    case $verb in
        '')
            COMPREPLY=($(compgen -W 'run show report deliver config sessions doctor --help --version' -- "$cur"))
            ;;
        run)
            # Behind the options stands a command of its own.
            local j word expects_value=0
            for ((j = i + 1; j < COMP_CWORD; j++)); do
                word=${COMP_WORDS[j]}
                if ((expects_value)); then
                    expects_value=0
                    continue
                fi
                case $word in
                    --)
                        ((j++))
                        _spoorctl_command "$j"
                        return
                        ;;
                    --image | --rootfs | --volume | -w | --workdir | -e | --env | --network | --runtime | --podman | --podman-arg)
                        expects_value=1
                        ;;
                    -*) ;;
                    *)
                        _spoorctl_command "$j"
                        return
                        ;;
                esac
            done
            case $prev in
                --rootfs | --volume | -w | --workdir)
                    COMPREPLY=($(compgen -d -- "$cur"))
                    ;;
                --runtime | --podman)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    ;;
                --image)
                    COMPREPLY=($(compgen -W "$(podman images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)" -- "$cur"))
                    ;;
                --network)
                    COMPREPLY=($(compgen -W 'none host bridge slirp4netns private' -- "$cur"))
                    ;;
                -e | --env)
                    COMPREPLY=($(compgen -v -S = -- "$cur"))
                    ;;
                --podman-arg) ;;
                *)
                    if [[ $cur == -* ]]; then
                        COMPREPLY=($(compgen -W '--help --image --rootfs --volume --workdir --env --network --json
                            --all --keep --runtime --podman --podman-arg -h -w -e -a' -- "$cur"))
                    else
                        COMPREPLY=($(compgen -c -- "$cur"))
                    fi
                    ;;
            esac
            ;;
        show)
            if [[ $cur == -* ]]; then
                COMPREPLY=($(compgen -W '--help --json --all --processes --inputs --outputs --absent --accesses --task -h -a' -- "$cur"))
            else
                COMPREPLY=($(compgen -d -- "$cur"))
            fi
            ;;
        report)
            case $prev in
                --format)
                    COMPREPLY=($(compgen -W 'json nx-sandbox ultracache intoto csv' -- "$cur"))
                    ;;
                --output)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    ;;
                --task | --commit) ;;
                *)
                    if [[ $cur == -* ]]; then
                        COMPREPLY=($(compgen -W '--help --task --format --output --commit --root -h' -- "$cur"))
                    else
                        COMPREPLY=($(compgen -d -- "$cur"))
                    fi
                    ;;
            esac
            ;;
        deliver)
            if [[ $prev == --spool ]]; then
                COMPREPLY=($(compgen -d -- "$cur"))
            else
                COMPREPLY=($(compgen -W '--help --once --status --spool -h' -- "$cur"))
            fi
            ;;
        config)
            if [[ $prev == config ]]; then
                COMPREPLY=($(compgen -W 'check show explain --help' -- "$cur"))
            elif [[ $prev == check || $prev == --file ]]; then
                COMPREPLY=($(compgen -f -- "$cur"))
            elif [[ ${COMP_WORDS[i+1]} == explain && $prev != --uid && $prev != --gid && $prev != --cgroup ]]; then
                COMPREPLY=($(compgen -W '--help --uid --gid --cgroup --file -h' -- "$cur"))
            fi
            ;;
        sessions)
            COMPREPLY=($(compgen -W '--json --help' -- "$cur"))
            ;;
        doctor)
            COMPREPLY=($(compgen -W '--help' -- "$cur"))
            ;;
    esac
}

# Completes the words from $1 on as a command line of their own, if bash-completion is there.
_spoorctl_command()
{
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif ((COMP_CWORD == $1)); then
        COMPREPLY=($(compgen -c -- "${COMP_WORDS[COMP_CWORD]}"))
    else
        COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
    fi
}

complete -o filenames -o bashdefault -F _spoorctl spoorctl
