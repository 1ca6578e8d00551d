

def main():
    settings = listen()
    try:
        {"add": add, "list": people, "reset": reset, "remove": remove_people, "log-out": log_all_out,
         "check": check}[settings["verb"]](settings)
    except Problem as problem:
        say(problem=str(problem))
        sys.exit(1)


os.umask(0o077)
main()
