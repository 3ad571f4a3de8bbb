# fish completion for spoorctl

set -l verbs run show report deliver config sessions doctor
set -l none "not __fish_seen_subcommand_from $verbs"

complete -c spoorctl -f
complete -c spoorctl -s h -l help -d 'Print help'
complete -c spoorctl -n "$none" -l version -d 'Print the version'
complete -c spoorctl -n "$none" -a run -d 'Run a command in a container and show its trail'
complete -c spoorctl -n "$none" -a show -d 'Show the trail in a volume'
complete -c spoorctl -n "$none" -a report -d 'Write the reports of tasks in a format of other tools'
complete -c spoorctl -n "$none" -a deliver -d 'Deliver the reports that wait in the spool'
complete -c spoorctl -n "$none" -a config -d "Check or show spoor's configuration"
complete -c spoorctl -n "$none" -a sessions -d 'List your containers that are being traced now'
complete -c spoorctl -n "$none" -a doctor -d 'Say whether containers can be traced here'

set -l run '__fish_seen_subcommand_from run'
complete -c spoorctl -n "$run" -l image -x -a '(podman images --format "{{.Repository}}:{{.Tag}}" 2>/dev/null)' -d 'Run in this image'
complete -c spoorctl -n "$run" -l rootfs -x -a '(__fish_complete_directories)' -d 'Run in this directory'
complete -c spoorctl -n "$run" -l volume -x -a '(__fish_complete_directories)' -d 'Keep the trail here'
complete -c spoorctl -n "$run" -s w -l workdir -x -a '(__fish_complete_directories)' -d 'Directory to work in'
complete -c spoorctl -n "$run" -s e -l env -x -d 'Set a variable'
complete -c spoorctl -n "$run" -l network -x -a 'none host bridge slirp4netns private' -d "Podman's network mode"
complete -c spoorctl -n "$run" -l json -d 'Print one JSON object'
complete -c spoorctl -n "$run" -s a -l all -d 'Print all rows'
complete -c spoorctl -n "$run" -l keep -d 'Keep the temporary volume'
complete -c spoorctl -n "$run" -l runtime -r -F -d 'The spoor to use'
complete -c spoorctl -n "$run" -l podman -r -F -d 'The podman to use'
complete -c spoorctl -n "$run" -l podman-arg -x -d 'Pass an option on to podman run'
complete -c spoorctl -n "$run" -x -a '(__fish_complete_subcommand)' -d 'Command'

set -l show '__fish_seen_subcommand_from show; and not __fish_seen_subcommand_from config'
complete -c spoorctl -n "$show" -a '(__fish_complete_directories)'
complete -c spoorctl -n "$show" -l json -d 'Print one JSON object'
complete -c spoorctl -n "$show" -s a -l all -d 'Print all rows'
complete -c spoorctl -n "$show" -l processes -d 'Only the processes'
complete -c spoorctl -n "$show" -l inputs -d 'Only the inputs'
complete -c spoorctl -n "$show" -l outputs -d 'Only the outputs'
complete -c spoorctl -n "$show" -l absent -d 'Only what was looked for and not there'
complete -c spoorctl -n "$show" -l accesses -d 'The log of accesses'
complete -c spoorctl -n "$show" -x -l task -d 'The report of this task'

set -l report '__fish_seen_subcommand_from report'
complete -c spoorctl -n "$report" -a '(__fish_complete_directories)'
complete -c spoorctl -n "$report" -x -l task -d 'Only this task'
complete -c spoorctl -n "$report" -x -l format -a 'json nx-sandbox ultracache intoto csv' -d 'The format'
complete -c spoorctl -n "$report" -r -F -l output -d 'Write to this file'
complete -c spoorctl -n "$report" -x -l commit -d 'The commit that the tasks ran on'
complete -c spoorctl -n "$report" -x -l root -a '(__fish_complete_directories)' -d 'The workspace, whose files are digested'

set -l deliver '__fish_seen_subcommand_from deliver'
complete -c spoorctl -n "$deliver" -l once -d 'Try each once and end'
complete -c spoorctl -n "$deliver" -l status -d 'Only show what waits'
complete -c spoorctl -n "$deliver" -x -l spool -a '(__fish_complete_directories)' -d 'This spool'

complete -c spoorctl -n '__fish_seen_subcommand_from config' -a check -d 'Check one file'
complete -c spoorctl -n '__fish_seen_subcommand_from config' -a show -d 'Show what all files together say'
complete -c spoorctl -n '__fish_seen_subcommand_from config' -a explain -d 'Say which rule applies to a tenant'
complete -c spoorctl -n '__fish_seen_subcommand_from config; and __fish_seen_subcommand_from check' -F
set -l explain '__fish_seen_subcommand_from config; and __fish_seen_subcommand_from explain'
complete -c spoorctl -n "$explain" -l uid -x -d "The user's id on this machine"
complete -c spoorctl -n "$explain" -l gid -x -d "One of the user's groups"
complete -c spoorctl -n "$explain" -l cgroup -x -d "The container's cgroup"
complete -c spoorctl -n "$explain" -l file -r -F -d "The operator's file"
