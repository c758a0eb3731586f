local member, ms = ARGV[1], tonumber(ARGV[2])
enlist(KEYS[1], member, ms)
return 1
