"""Operations: the state machine, time entries with pauses, quantities with scrap reasons."""
